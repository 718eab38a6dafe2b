#include "sweep/shards.hpp"

#include <onemask/core/text.hpp>
#include <onemask/status/status.hpp>
#include <onemask/store/run_folder.hpp>

#include <algorithm>
#include <set>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The shard that does a task. Tasks of an affinity stay together.
int owner_of(std::size_t task, TaskList const& tasks, int shards) {
  auto const affinity = tasks.graph.tasks[task].affinity;
  return static_cast<int>((affinity != 0 ? affinity : task) % static_cast<std::size_t>(shards));
}

}  // namespace

std::string part_name(Shard const& shard) {
  return shard.count == 1 ? "" : fmt::format("shard-{}-of-{}", shard.index, shard.count);
}

std::vector<bool> foreign_tasks(TaskList const& tasks, Shard const& shard) {
  if (shard.count == 1) return {};
  std::vector<bool> foreign(tasks.planned.size());
  for (std::size_t t = 0; t < foreign.size(); ++t)
    foreign[t] = !tasks.graph.is_join(t) && owner_of(t, tasks, shard.count) != shard.index;
  return foreign;
}

bool are_owners_at_work(std::vector<std::size_t> const& some, TaskList const& tasks, RunOptions const& options) {
  auto const count = options.shard.count;
  std::set<int> owners;
  for (auto task : some) owners.insert(owner_of(task, tasks, count));
  return std::any_of(owners.begin(), owners.end(), [&](int owner) {
    return is_at_work(options.folder, part_name({owner, count}));
  });
}

std::string failed_in_other_shards(std::vector<std::size_t> const& some, TaskList const& tasks, Plan const& plan,
                                   RunOptions const& options) {
  std::set<std::string> failed, shards;
  for (auto const& task : failed_tasks(options.folder / "journal")) failed.insert(task.task);
  for (auto task : some) {
    Shard const owner{owner_of(task, tasks, options.shard.count), options.shard.count};
    // One that was killed or stopped has tries left.
    bool const is_through = last_phase(options.folder, part_name(owner)) == "partial";
    if (!is_through || !failed.contains(task_id(plan, tasks.planned[task]))) return "";
    shards.insert(fmt::format("--shard {}/{}", owner.index, owner.count));
  }
  if (shards.empty()) return "";
  auto const names = join(shards, " and ");
  return fmt::format("Tasks of {} failed, and tasks of this shard wait for them. Run {} again, and then this shard.", names,
                     names);
}

}  // namespace onemask
