#include "support/host_stream.hpp"

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

namespace onemask::test {
namespace {

thread_local HostStream const* current = nullptr;

}  // namespace

class HostStream::Queue {
 public:
  void add(std::function<void()> work) {
    {
      std::lock_guard const lock(mutex_);
      work_.push_back(std::move(work));
      ++left_;
    }
    changed_.notify_one();
  }

  bool idle() {
    std::lock_guard const lock(mutex_);
    return left_ == 0;
  }

  /// Lets the thread end when the work is done.
  void close() {
    {
      std::lock_guard const lock(mutex_);
      closed_ = true;
    }
    changed_.notify_one();
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return closed_ || !work_.empty(); });
      if (work_.empty()) return;
      auto const work = std::exchange(work_.front(), {});
      work_.pop_front();
      lock.unlock();
      work();
      lock.lock();
      --left_;
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::size_t left_ = 0;  ///< what is queued or being done
  bool closed_ = false;
};

HostStream::HostStream() : queue_(std::make_shared<Queue>()) {
  std::thread([queue = queue_] { queue->run(); }).detach();
}

HostStream::~HostStream() {
  queue_->close();
}

void HostStream::queue(std::function<void()> work) const {
  queue_->add(std::move(work));
}

void HostStream::queue(cudaStream_t handle, std::function<void()> work) {
  reinterpret_cast<Queue*>(handle)->add(std::move(work));
}

void HostStream::follow() {
  if (current == nullptr) return;
  auto const reached = std::make_shared<std::promise<void>>();
  current->queue([reached] { reached->set_value(); });
  queue([reached] { reached->get_future().wait(); });
}

bool HostStream::idle() {
  return queue_->idle();
}

cudaStream_t HostStream::handle() const {
  return reinterpret_cast<cudaStream_t>(queue_.get());
}

HostStream::Current::Current(HostStream const& stream) {
  current = &stream;
}

HostStream::Current::~Current() {
  current = nullptr;
}

}  // namespace onemask::test
