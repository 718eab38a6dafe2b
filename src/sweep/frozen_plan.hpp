#pragma once

#include "sweep/open_run.hpp"
#include <onemask/plan/task_list.hpp>

#include <filesystem>

namespace onemask {

/// Freezes the plan in FOLDER/plan.json, or holds this start against the plan that is frozen there. `all` are the tasks of the
/// whole study. A plan for another kind of device that no run has begun gives way. Throws UserError when the folder holds a run
/// of another study.
void freeze_plan(std::filesystem::path const& folder, Study const& study, OpenRun const& run, TaskList const& all, Tasks tasks);

}  // namespace onemask
