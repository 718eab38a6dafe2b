#pragma once

#include <onemask/core/stopped_within.hpp>

#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>

namespace onemask {

/// Calls `action` from a thread of its own unless it is destroyed within `time`.
class Deadline {
 public:
  Deadline(std::chrono::milliseconds time, std::function<void()> action)
      : thread_([time, action = std::move(action)](std::stop_token const& stop) {
          if (!stopped_within(time, stop)) action();
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace onemask
