#pragma once

#include "sweep/run_context.hpp"
#include "sweep/task_list.hpp"
#include <onemask/comm/communicator.hpp>

#include <functional>
#include <memory>

namespace onemask {

/// The surroundings of a task while it runs.
struct TaskContext {
  Communicator group;                    ///< ranks that do it together
  std::function<bool()> stopped;         ///< whether it is to end soon, so that it can go on later
  std::function<void(double)> progress;  ///< takes the share that is done
};

/// How tasks of one kind, or several, are done on this rank, with what they share. When a task is through its objects are in the
/// store.
class TaskWork {
 public:
  virtual ~TaskWork() = default;
  /// False: it was stopped and will go on from a checkpoint. Called on every rank of the task's group.
  virtual bool run(PlannedTask task, TaskContext const& context) = 0;
};

std::unique_ptr<TaskWork> make_edit_work(RunContext const& run);  ///< second moments, null spaces, edits, batch edits
std::unique_ptr<TaskWork> make_mask_work(RunContext const& run);
std::unique_ptr<TaskWork> make_evaluation_work(RunContext const& run);
std::unique_ptr<TaskWork> make_perplexity_work(RunContext const& run);

}  // namespace onemask
