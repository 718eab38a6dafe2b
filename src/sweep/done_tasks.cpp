#include "sweep/done_tasks.hpp"

#include <onemask/comm/agree.hpp>

#include <algorithm>
#include <numeric>

namespace onemask {

bool is_done(RunContext const& run, std::vector<std::string> const& objects) {
  return std::all_of(objects.begin(), objects.end(), [&](auto const& key) { return run.objects.has(key); });
}

std::vector<std::size_t> done_of(RunContext const& run, TaskList const& tasks, std::vector<std::size_t> const& some) {
  if (some.empty()) return {};
  auto const keys = run.objects.keys();
  std::vector<std::size_t> done;
  for (auto task : some) {
    auto const objects = tasks.is_gate(task) ? std::vector<std::string>() : objects_of(run.plan, tasks.planned[task]);
    bool const there = std::all_of(objects.begin(), objects.end(), [&](auto const& key) { return keys.contains(key); });
    if (there && !objects.empty()) done.push_back(task);
  }
  return done;
}

std::vector<bool> stored_tasks(RunContext const& run, TaskList const& tasks) {
  std::vector<std::size_t> all(tasks.planned.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<bool> stored(all.size());
  for (auto task : done_of(run, tasks, all)) stored[task] = true;
  return stored;
}

std::vector<bool> done_tasks(RunContext const& run, TaskList const& tasks) {
  auto const count = tasks.planned.size();
  std::string flags;
  agree(run.world, [&] {
    if (!run.is_root()) return;
    for (bool const stored : stored_tasks(run, tasks)) flags += stored ? '1' : '0';
  });
  flags = run.world.broadcast(std::move(flags), 0);
  auto const ranks = static_cast<std::size_t>(run.world.size()), rank = static_cast<std::size_t>(run.world.rank());
  std::string bad;  // this rank's own tasks whose objects fail the check
  agree(run.world, [&] {
    for (std::size_t t = rank; t < count; t += ranks) {
      if (flags[t] == '0') continue;
      bool whole = true;
      for (auto const& key : objects_of(run.plan, tasks.planned[t])) whole = run.objects.get(key).has_value() && whole;
      if (!whole) bad += std::to_string(t) + " ";
    }
  });
  std::vector<bool> done(count);
  for (std::size_t t = 0; t < count; ++t) done[t] = flags[t] == '1';
  for (auto const& list : run.world.all_gather(bad)) {
    for (std::size_t place = 0; place < list.size();) {
      auto const end = list.find(' ', place);
      done[std::stoul(list.substr(place, end - place))] = false;
      place = end + 1;
    }
  }
  return done;
}

std::string summary_of(TaskList const& tasks, std::vector<bool> const& done) {
  std::size_t count = 0;
  for (std::size_t t = 0; t < done.size(); ++t) count += !tasks.is_gate(t);
  auto const before = static_cast<std::size_t>(std::count(done.begin(), done.end(), true));
  return std::to_string(count) + " tasks" + (before > 0 ? ", " + std::to_string(before) + " of them already done" : "");
}

}  // namespace onemask
