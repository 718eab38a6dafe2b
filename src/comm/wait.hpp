#pragma once

#include <chrono>
#include <thread>

namespace onemask {

/// Paces a loop that polls: busy for the first millisecond, so that quick answers stay quick, then in short naps, so that a
/// waiting rank does not take the core of a busy one.
class Pace {
 public:
  /// Whether it napped.
  bool step() const {
    if (std::chrono::steady_clock::now() - start_ <= std::chrono::milliseconds(1)) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(150));
    return true;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace onemask
