#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

namespace onemask::test {

/// Ends the process with a sentence when a part of a test has not come to its end in time: what hangs cannot say so itself. The
/// sentence goes to stdout, as tests may capture stderr.
class TimeLimit {
 public:
  explicit TimeLimit(char const* part, std::chrono::seconds time = std::chrono::seconds(60))
      : watch_([this, part, time] {
          std::unique_lock lock(mutex_);
          if (over_.wait_for(lock, time, [this] { return reached_; })) return;
          std::cout << "It hangs: " << part << " has not ended after " << time.count() << " s." << std::endl;
          std::_Exit(1);
        }) {}
  ~TimeLimit() {
    {
      std::lock_guard const lock(mutex_);
      reached_ = true;
    }
    over_.notify_one();
    watch_.join();
  }
  TimeLimit(TimeLimit const&) = delete;
  TimeLimit& operator=(TimeLimit const&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool reached_ = false;
  std::thread watch_;  ///< last, so that it begins after what it uses
};

}  // namespace onemask::test
