#pragma once

#include <onemask/comm/communicator.hpp>

#include <chrono>
#include <vector>

namespace onemask {

/// The ranks of this host as processes, this one included. Handles, not numbers: a number may be another program's after days.
class LocalProcesses {
 public:
  /// All ranks of `local`, the world's part on this host, call it together. Ranks in a container of their own are left out.
  explicit LocalProcesses(Communicator const& local);
  ~LocalProcesses();
  LocalProcesses(LocalProcesses const&) = delete;
  LocalProcesses& operator=(LocalProcesses const&) = delete;

  /// Kills those that are still there after `time`. A process apart does it: this one may hang, or be gone by then.
  void end_within(std::chrono::milliseconds time) const;

 private:
  std::vector<int> handles_;
};

}  // namespace onemask
