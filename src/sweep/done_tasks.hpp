#pragma once

#include "sweep/run_context.hpp"
#include "sweep/task_list.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// Whether all objects are in the store, judged by their trailers.
bool is_done(RunContext const& run, std::vector<std::string> const& objects);

/// Those of some tasks whose objects are all in the store, judged by their names: the store is listed once, since to ask for
/// every object of a large study would take a shared file system minutes.
std::vector<std::size_t> done_of(RunContext const& run, TaskList const& tasks, std::vector<std::size_t> const& some);

/// The same of all tasks, as flags.
std::vector<bool> stored_tasks(RunContext const& run, TaskList const& tasks);

/// Which tasks need no work, as their objects are there and whole; damaged ones are moved aside. Collective: every rank checks a
/// share.
std::vector<bool> done_tasks(RunContext const& run, TaskList const& tasks);

/// "12 of 120 tasks are done already".
std::string summary_of(TaskList const& tasks, std::vector<bool> const& done);

}  // namespace onemask
