#pragma once

#include "sweep/run_context.hpp"
#include "sweep/task_list.hpp"

namespace onemask {

/// Freezes the plan in RUN/plan.json, or holds this start against the plan that is frozen there. `tasks` are those of the whole
/// study. A plan for another kind of device that no run has begun gives way. Throws UserError when the folder holds a run of
/// another study.
void freeze_plan(RunContext const& run, TaskList const& tasks);

}  // namespace onemask
