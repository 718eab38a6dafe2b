#pragma once

#include <onemask/dispatch/task_runner.hpp>
#include <onemask/plan/task_list.hpp>
#include <onemask/work/work_context.hpp>

#include <memory>

namespace onemask {

/// Does the tasks of a plan; `tasks` outlives it.
std::unique_ptr<TaskRunner> make_planned_work(WorkContext const& context, TaskList const& tasks);

}  // namespace onemask
