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

/// Which of these tasks have failed and are tried again only when their shards are started again.
std::vector<std::size_t> failed_in_other_shards(std::vector<std::size_t> const& some, TaskList const& tasks, Plan const& plan,
                                                RunOptions const& options);

/// "--shard 0/4 and --shard 2/4": those that do these tasks.
std::string names_of_owners(std::vector<std::size_t> const& some, TaskList const& tasks, Shard const& shard);

}  // namespace onemask
