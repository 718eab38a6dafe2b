#pragma once

#include <onemask/core/log.hpp>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <stop_token>
#include <thread>
#include <unistd.h>

namespace onemask {

/// Ends this process when its launcher is gone, as an mpirun that was killed. Of Open MPI only ranks that happen to be in MPI
/// hear of that; others would work on, and hold the run folder, for as long as their tasks last.
class LauncherWatch {
 public:
  LauncherWatch()
      : thread_([this, launcher = getppid()](std::stop_token const& stop) {
          std::unique_lock lock(mutex_);
          while (getppid() == launcher) {
            wake_.wait_for(lock, stop, std::chrono::milliseconds(500), [] { return false; });
            if (stop.stop_requested()) return;
          }
          std::signal(SIGPIPE, SIG_IGN);  // the log file is still there, stderr is not
          log_error("The process that started this rank is gone, and the rank ends. Start the same command again to go on.");
          std::_Exit(75);
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  ///< last, so that it ends before what it uses
};

}  // namespace onemask
