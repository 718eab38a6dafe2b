#include "sweep/shards.hpp"

#include <onemask/core/text.hpp>
#include <onemask/schedule/scheduler.hpp>
#include <onemask/status/status.hpp>
#include <onemask/store/journal.hpp>
#include <onemask/store/run_folder.hpp>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The shard that does a task. Tasks of an affinity stay together.
int owner_of(std::size_t task, TaskList const& tasks, int shards) {
  auto const affinity = tasks.graph.tasks[task].affinity;
  return static_cast<int>((affinity != 0 ? affinity : task) % static_cast<std::size_t>(shards));
}

std::set<int> owners_of(std::vector<std::size_t> const& some, TaskList const& tasks, int shards) {
  std::set<int> owners;
  for (auto task : some) owners.insert(owner_of(task, tasks, shards));
  return owners;
}

/// The number of a shard's last start, where it has given up tasks that it will not try again. One that was killed or stopped
/// tries them again at its next start, and so does one that has only begun.
std::optional<int> last_start_with_failures(std::filesystem::path const& folder, std::string const& part) {
  auto const state = last_state(folder, part);
  if (!state) return std::nullopt;
  bool const goes_on = is_at_work(folder, part);
  if (state->phase != (goes_on ? "running" : "partial") || state->silent(std::time(nullptr))) return std::nullopt;
  bool const any = std::any_of(state->kinds.begin(), state->kinds.end(), [](auto const& kind) { return kind.failed > 0; });
  return any ? std::optional(state->attempt) : std::nullopt;
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
  auto const owners = owners_of(some, tasks, options.shard.count);
  return std::any_of(owners.begin(), owners.end(), [&](int owner) {
    return is_at_work(options.folder, part_name({owner, options.shard.count}));
  });
}

std::vector<std::size_t> failed_in_other_shards(std::vector<std::size_t> const& some, TaskList const& tasks, Plan const& plan,
                                                RunOptions const& options) {
  auto const count = options.shard.count;
  std::map<int, int> starts;
  for (auto owner : owners_of(some, tasks, count)) {
    if (auto const start = last_start_with_failures(options.folder, part_name({owner, count}))) starts[owner] = *start;
  }
  std::vector<std::size_t> failed;
  if (starts.empty()) return failed;  // without a look at the journals
  auto const records = read_journals(options.folder / "journal");
  for (auto task : some) {
    auto const start = starts.find(owner_of(task, tasks, count));
    if (start == starts.end()) continue;
    auto const id = task_id(plan, tasks.planned[task]);
    auto const times = std::count_if(records.begin(), records.end(), [&](auto const& record) {
      return record.status == TaskStatus::failed && record.attempt == start->second && record.task == id;
    });
    if (times >= Scheduler::attempts) failed.push_back(task);
  }
  return failed;
}

std::string names_of_owners(std::vector<std::size_t> const& some, TaskList const& tasks, Shard const& shard) {
  return join(owners_of(some, tasks, shard.count), " and ",
              [&](int owner) { return fmt::format("--shard {}/{}", owner, shard.count); });
}

}  // namespace onemask
