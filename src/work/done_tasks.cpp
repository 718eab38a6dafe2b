
#include <onemask/comm/agree.hpp>
#include <onemask/work/done_tasks.hpp>

#include <algorithm>
#include <numeric>

#include <fmt/core.h>

namespace onemask {

bool are_stored(std::vector<std::string> const& keys, ObjectStore const& objects) {
  return std::all_of(keys.begin(), keys.end(), [&](auto const& key) { return objects.has(key); });
}

std::vector<std::size_t> done_of(std::vector<std::size_t> const& some, TaskList const& tasks, Plan const& plan,
                                 ObjectStore const& objects) {
  if (some.empty()) return {};
  auto const stored = objects.keys();
  std::vector<std::size_t> done;
  for (auto task : some) {
    auto const keys = tasks.graph.is_join(task) ? std::vector<std::string>() : objects_of(plan, tasks.planned[task]);
    bool const there = std::all_of(keys.begin(), keys.end(), [&](auto const& key) { return stored.contains(key); });
    if (there && !keys.empty()) done.push_back(task);
  }
  return done;
}

std::vector<bool> stored_tasks(TaskList const& tasks, Plan const& plan, ObjectStore const& objects) {
  std::vector<std::size_t> all(tasks.planned.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<bool> stored(all.size());
  for (auto task : done_of(all, tasks, plan, objects)) stored[task] = true;
  return stored;
}

std::vector<bool> done_tasks(TaskList const& tasks, Plan const& plan, ObjectStore const& objects, Communicator const& world) {
  auto const count = tasks.planned.size();
  std::string flags;
  agree(world, [&] {
    if (world.rank() != 0) return;
    for (bool const stored : stored_tasks(tasks, plan, objects)) flags += stored ? '1' : '0';
  });
  flags = world.broadcast(std::move(flags), 0);
  auto const ranks = static_cast<std::size_t>(world.size()), rank = static_cast<std::size_t>(world.rank());
  std::string bad;  // this rank's own tasks whose objects fail the check
  agree(world, [&] {
    for (std::size_t t = rank; t < count; t += ranks) {
      if (flags[t] == '0') continue;
      bool whole = true;
      for (auto const& key : objects_of(plan, tasks.planned[t])) whole = objects.get(key).has_value() && whole;
      if (!whole) bad += fmt::format("{} ", t);
    }
  });
  std::vector<bool> done(count);
  for (std::size_t t = 0; t < count; ++t) done[t] = flags[t] == '1';
  for (auto const& list : world.all_gather(bad)) {
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
  for (std::size_t t = 0; t < done.size(); ++t) count += !tasks.graph.is_join(t);
  auto const before = static_cast<std::size_t>(std::count(done.begin(), done.end(), true));
  return fmt::format("{} tasks{}", count, before > 0 ? fmt::format(", {} of them already done", before) : "");
}

}  // namespace onemask
