#pragma once

#include <onemask/comm/environment.hpp>
#include <onemask/dispatch/coordinator.hpp>
#include <onemask/status/run_state.hpp>

#include <exception>
#include <thread>
#include <vector>

namespace onemask {

/// Rank 0's side of a run: the coordinator in a thread of its own, and the file that says how far it is.
class Coordination {
 public:
  Coordination(Environment const& environment, TaskGraph const& graph, std::vector<bool> const& done, Mailbox& mailbox,
               CoordinatorOptions options, RunState state);

  std::vector<StageRecord> stages() const { return coordinator_.stages(); }

  /// Waits for the coordinator, says how the run ended, and throws what the coordinator threw.
  void finish(RunEnding::End end);

 private:
  [[noreturn]] void end_now(Environment const& environment, RunEnding const& ending);

  Coordinator coordinator_;
  std::exception_ptr failure_;
  StateWriter writer_;
  std::jthread thread_;  ///< last, so that it ends before what it uses
};

}  // namespace onemask
