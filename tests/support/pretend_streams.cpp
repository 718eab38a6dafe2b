#include "support/pretend_streams.hpp"

#include "support/pretend_memory.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <utility>

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

namespace onemask::test {
namespace {

using Place = std::uint64_t;
constexpr Place everything = std::numeric_limits<Place>::max();
constexpr c10::StreamId streams_of_pool = 32;  // as CUDA

int devices = 0;
thread_local c10::DeviceIndex current_device = 0;
thread_local std::array<c10::StreamId, most_pretend_devices> current_streams{};

/// The late work of all streams. An event is a place in the queue of a stream.
class LateQueues {
 public:
  Place add(c10::Stream stream, LateFor whom, std::function<void()> work) {
    std::lock_guard const lock(mutex_);
    queues_[stream].push_back({++last_, whom, std::move(work)});
    ++waiting_;
    return last_;
  }

  Place now() {
    std::lock_guard const lock(mutex_);
    return last_;
  }

  bool empty(c10::Stream stream, Place until) {
    if (waiting_ == 0) return true;
    std::lock_guard const lock(mutex_);
    auto const& queue = queues_[stream];
    return queue.empty() || queue.front().place > until;
  }

  /// Device work alone, or all.
  void run(c10::Stream stream, LateFor whom, Place until) {
    if (waiting_ == 0) return;
    std::lock_guard const lock(mutex_);
    auto& queue = queues_[stream];
    for (auto item = queue.begin(); item != queue.end() && item->place <= until;) {
      if (whom == LateFor::device && item->whom == LateFor::host) {
        ++item;
        continue;
      }
      auto const work = std::move(item->work);
      item = queue.erase(item);
      --waiting_;
      work();  // may run other streams
    }
  }

  void run_device(c10::DeviceIndex device) {
    std::lock_guard const lock(mutex_);
    for (auto const& [stream, queue] : queues_)
      if (stream.device_index() == device) run(stream, LateFor::host, everything);
  }

 private:
  struct Item {
    Place place;
    LateFor whom;
    std::function<void()> work;
  };
  struct Before {
    bool operator()(c10::Stream const& a, c10::Stream const& b) const {
      return std::pair(a.device_index(), a.id()) < std::pair(b.device_index(), b.id());
    }
  };

  std::recursive_mutex mutex_;
  std::map<c10::Stream, std::list<Item>, Before> queues_;
  std::atomic<std::int64_t> waiting_ = 0;
  Place last_ = 0;
};

LateQueues& late() {
  static auto* const queues = new LateQueues;  // never destroyed: tensors in it may outlive what frees them
  return *queues;
}

struct PretendEvent {
  c10::Stream stream;
  Place place;
};

c10::Stream stream_of(c10::DeviceIndex device, c10::StreamId id) {
  return c10::Stream(c10::Stream::UNSAFE, c10::Device(c10::kPrivateUse1, device), id);
}

class PretendGuard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return c10::kPrivateUse1; }
  c10::DeviceIndex deviceCount() const noexcept override { return static_cast<c10::DeviceIndex>(devices); }

  c10::Device getDevice() const override { return pretend_device(current_device); }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() >= 0 && device.index() < devices, "pretend:", int{device.index()}, " does not exist; there are ",
                devices, " pretend devices");
    current_device = device.index();
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0 && device.index() < devices) current_device = device.index();
  }
  c10::Device exchangeDevice(c10::Device device) const override {
    auto const before = getDevice();
    setDevice(device);
    return before;
  }

  c10::Stream getStream(c10::Device device) const override { return current_pretend_stream(index_of(device)); }
  c10::Stream getDefaultStream(c10::Device device) const override { return stream_of(index_of(device), 0); }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    static std::atomic<c10::StreamId> next = 0;
    return stream_of(index_of(device), 1 + next++ % streams_of_pool);
  }
  c10::Stream getNewStream(c10::Device device, int) const override { return getStreamFromGlobalPool(device, false); }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    auto& current = current_streams[static_cast<std::size_t>(stream.device_index())];
    return stream_of(stream.device_index(), std::exchange(current, stream.id()));
  }

  bool queryStream(c10::Stream const& stream) const override { return query({stream, everything}); }
  void synchronizeStream(c10::Stream const& stream) const override {
    ++pretend_account(stream.device_index()).waits;
    catch_up(stream, LateFor::host);
  }
  void synchronizeDevice(c10::DeviceIndex device) const override {
    ++pretend_account(device).waits;
    late().run_device(device);
  }

  void record(void** event, c10::Stream const& stream, c10::DeviceIndex, c10::EventFlag) const override {
    delete static_cast<PretendEvent*>(*event);
    *event = new PretendEvent{stream, late().now()};
  }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override { delete static_cast<PretendEvent*>(event); }
  void block(void* event, c10::Stream const& stream) const override {
    auto const [recorded, place] = *static_cast<PretendEvent*>(event);
    if (late().empty(recorded, place)) return;
    for (auto whom : {LateFor::device, LateFor::host})
      do_later(stream, whom, [recorded = recorded, whom, place = place] { late().run(recorded, whom, place); });
  }
  bool queryEvent(void* event) const override { return query(*static_cast<PretendEvent*>(event)); }
  void synchronizeEvent(void* event) const override {
    auto const& [stream, place] = *static_cast<PretendEvent*>(event);
    ++pretend_account(stream.device_index()).waits;
    late().run(stream, LateFor::host, place);
  }

 private:
  static c10::DeviceIndex index_of(c10::Device device) { return device.has_index() ? device.index() : current_device; }

  /// Says no once, so that whoever asks must ask again.
  static bool query(PretendEvent const& event) {
    if (late().empty(event.stream, event.place)) return true;
    late().run(event.stream, LateFor::host, event.place);
    return false;
  }
};

}  // namespace

void install_pretend_streams(int count) {
  devices = count;
  static auto const* const guard = new PretendGuard;
  c10::impl::registerDeviceGuard(c10::kPrivateUse1, guard);
}

void do_later(c10::Stream stream, LateFor whom, std::function<void()> work) {
  late().add(stream, whom, std::move(work));
}

void catch_up(c10::Stream stream, LateFor whom) {
  late().run(stream, whom, everything);
}

c10::Stream current_pretend_stream(c10::DeviceIndex device) {
  return stream_of(device, current_streams[static_cast<std::size_t>(device)]);
}

c10::DeviceIndex current_pretend_device() {
  return current_device;
}

}  // namespace onemask::test
