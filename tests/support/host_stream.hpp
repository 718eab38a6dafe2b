#pragma once

#include "gpu/module/device_stream.hpp"

#include <functional>
#include <memory>

namespace onemask::test {

/// A stream whose device is a thread of the host: work is done in order, later than it was queued.
class HostStream : public DeviceStream {
 public:
  HostStream();
  /// Does not wait for what is queued, as CUDA does not.
  ~HostStream() override;
  HostStream(HostStream const&) = delete;
  HostStream& operator=(HostStream const&) = delete;

  /// Queues work, which must not throw.
  void queue(std::function<void()> work) const;
  /// On the stream of this name.
  static void queue(cudaStream_t handle, std::function<void()> work);

  /// Waits for what was queued so far to this thread's current stream, if it has one.
  void follow() override;
  bool idle() override;
  cudaStream_t handle() const override;

  /// While this lives, the thread that made it gives its device other work through `stream`.
  class Current {
   public:
    explicit Current(HostStream const& stream);
    ~Current();
    Current(Current const&) = delete;
    Current& operator=(Current const&) = delete;
  };

 private:
  class Queue;
  std::shared_ptr<Queue> queue_;
};

}  // namespace onemask::test
