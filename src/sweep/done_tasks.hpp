#pragma once

#include "sweep/run_context.hpp"
#include "sweep/task_list.hpp"

#include <string>
#include <vector>

namespace onemask {

/// Whether all objects are in the store, judged by their trailers.
bool is_done(RunContext const& run, std::vector<std::string> const& objects);

/// Which tasks need no work, as their objects are there and whole; damaged ones are moved aside. Collective: every rank checks a
/// share.
std::vector<bool> done_tasks(RunContext const& run, TaskList const& tasks);

/// "12 of 120 tasks are done already".
std::string summary_of(TaskList const& tasks, std::vector<bool> const& done);

}  // namespace onemask
