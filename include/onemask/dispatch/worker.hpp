#pragma once

#include <onemask/comm/mailbox.hpp>
#include <onemask/dispatch/orders.hpp>
#include <onemask/dispatch/task_runner.hpp>
#include <onemask/store/journal.hpp>

#include <chrono>
#include <functional>

namespace onemask {

/// Who an idle worker listens to, and for how long.
struct WorkerOptions {
  int node = 0;                                  ///< number of this rank's host
  std::chrono::duration<double> patience{60.0};  ///< without a word from the coordinator
  std::function<bool()> gather = {};             ///< writes the study file; whether everything planned is there
};

/// Does on this rank what the coordinator orders, until it says that there is no more. Every finished task is in the store, then
/// in the journal, then reported. Throws LostRank when the coordinator is lost.
RunEnding work(TaskRunner& tasks, Mailbox& mailbox, Journal& journal, WorkerOptions const& options);

}  // namespace onemask
