#pragma once

#include <chrono>
#include <thread>

namespace onemask {

/// How a thread waits for messages: it looks without a pause for a moment after the last one, for they often follow each other
/// closely, then naps between looks. It does not yield: beside a thread that computes, that gives away a whole time slice at
/// every look.
class Backoff {
 public:
  explicit Backoff(std::chrono::microseconds awake = std::chrono::microseconds(100)) : awake_(awake) {}

  void heard() { last_ = Clock::now(); }

  /// Between two looks. Returns whether it napped.
  bool wait() const {
    if (Clock::now() - last_ < awake_) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::chrono::microseconds awake_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace onemask
