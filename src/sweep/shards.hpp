#pragma once

#include <onemask/plan/task_list.hpp>
#include <onemask/sweep/run.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// In the names of a shard's files; empty: the whole run.
std::string part_name(Shard const& shard);

/// Which tasks other shards do; empty: none.
std::vector<bool> foreign_tasks(TaskList const& tasks, Shard const& shard);

/// Whether any shard is at work that does some of these tasks.
bool are_owners_at_work(std::vector<std::size_t> const& some, TaskList const& tasks, RunOptions const& options);

/// What to say where all of these tasks have failed, in shards that went through all of theirs; empty where that is not so. Who
/// starts those shards again tries the tasks again.
std::string failed_in_other_shards(std::vector<std::size_t> const& some, TaskList const& tasks, Plan const& plan,
                                   RunOptions const& options);

}  // namespace onemask
