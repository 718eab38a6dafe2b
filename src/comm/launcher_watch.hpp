#pragma once

#include <onemask/core/log.hpp>
#include <onemask/core/stopped_within.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stop_token>
#include <thread>
#include <unistd.h>

namespace onemask {

/// Ends this process when its launcher is gone, as an mpirun that was killed. Of Open MPI only ranks that happen to be in MPI
/// hear of that; others would work on, and hold the run folder, for as long as their tasks last.
class LauncherWatch {
 public:
  LauncherWatch()
      : thread_([launcher = getppid()](std::stop_token const& stop) {
          while (getppid() == launcher) {
            if (stopped_within(std::chrono::milliseconds(500), stop)) return;
          }
          std::signal(SIGPIPE, SIG_IGN);  // the log file is still there, stderr is not
          log_error("The process that started this rank is gone, and the rank ends. Start the same command again to go on.");
          std::_Exit(75);
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace onemask
