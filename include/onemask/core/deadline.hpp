#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace onemask {

/// Calls `action` from a thread of its own unless it is destroyed within `time`.
class Deadline {
 public:
  Deadline(std::chrono::milliseconds time, std::function<void()> action)
      : thread_([this, time, action = std::move(action)](std::stop_token const& stop) {
          std::unique_lock lock(mutex_);
          late_.wait_for(lock, stop, time, [] { return false; });
          if (!stop.stop_requested()) action();
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any late_;
  std::jthread thread_;
};

}  // namespace onemask
