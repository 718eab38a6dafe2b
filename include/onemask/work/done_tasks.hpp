#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/plan/task_list.hpp>
#include <onemask/store/object_store.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// Whether all objects of these keys are in the store, judged by their trailers.
bool are_stored(std::vector<std::string> const& keys, ObjectStore const& objects);

/// Those of some tasks whose objects are all in the store, judged by their names: the store is listed once, since to ask for
/// every object of a large study would take a shared file system minutes.
std::vector<std::size_t> done_of(std::vector<std::size_t> const& some, TaskList const& tasks, Plan const& plan,
                                 ObjectStore const& objects);

/// The same of all tasks, as flags.
std::vector<bool> stored_tasks(TaskList const& tasks, Plan const& plan, ObjectStore const& objects);

/// Which tasks need no work, as their objects are there and whole; damaged ones are moved aside. Collective: every rank checks a
/// share.
std::vector<bool> done_tasks(TaskList const& tasks, Plan const& plan, ObjectStore const& objects, Communicator const& world);

/// "120 tasks, 12 of them already done".
std::string summary_of(TaskList const& tasks, std::vector<bool> const& done);

}  // namespace onemask
