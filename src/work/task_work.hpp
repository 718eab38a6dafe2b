#pragma once

#include <onemask/dispatch/task_runner.hpp>
#include <onemask/plan/task_list.hpp>
#include <onemask/work/work_context.hpp>

#include <memory>

namespace onemask {

/// How tasks of one kind, or several, are done on this rank, with what they share. When a task is through its objects are in the
/// store.
class TaskWork {
 public:
  virtual ~TaskWork() = default;
  /// False: it was stopped and will go on from a checkpoint. Called on every rank of the task's group.
  virtual bool run(PlannedTask task, TaskContext const& context) = 0;
};

// The context outlives what these return.

/// Second moments, null spaces, edits, batch edits, and edits, values and batch edits under masks.
std::unique_ptr<TaskWork> make_edit_work(WorkContext const& context);
std::unique_ptr<TaskWork> make_mask_work(WorkContext const& context);
std::unique_ptr<TaskWork> make_evaluation_work(WorkContext const& context);
std::unique_ptr<TaskWork> make_perplexity_work(WorkContext const& context);
std::unique_ptr<TaskWork> make_injection_work(WorkContext const& context);
std::unique_ptr<TaskWork> make_tracing_work(WorkContext const& context);
std::unique_ptr<TaskWork> make_analysis_work(WorkContext const& context);

}  // namespace onemask
