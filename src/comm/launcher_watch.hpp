#pragma once

#include <onemask/core/interrupt.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <stop_token>
#include <thread>

namespace onemask {

/// Asks this process to stop when its launcher is gone, and ends it where it does not stop in time: nobody else can. Open MPI
/// tells ranks that live on after errors nothing of the end of mpirun.
class LauncherWatch {
 public:
  LauncherWatch()
      : thread_([this](std::stop_token const& stop) {
          std::unique_lock lock(mutex_);
          auto const is_over = [&](std::chrono::milliseconds time) {
            wake_.wait_for(lock, stop, time, [] { return false; });
            return stop.stop_requested();
          };
          while (!orphaned()) {
            if (is_over(std::chrono::milliseconds(500))) return;
          }
          if (!is_over(std::chrono::seconds(8))) std::_Exit(75);
        }) {
    watch_parent();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  ///< last, so that it ends before what it uses
};

}  // namespace onemask
