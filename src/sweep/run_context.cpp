#include "sweep/run_context.hpp"

#include <onemask/comm/agree.hpp>
#include <onemask/comm/task_queue.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/progress.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <set>

namespace onemask {

std::string RunContext::need(std::string const& key, std::string const& what) const {
  auto bytes = objects.get(key);
  if (!bytes)
    throw RunError("The " + what + " " + key +
                   " has vanished from the object store while the run goes on. Start the same command again.");
  return std::move(*bytes);
}

Edit RunContext::edit(EditSet const& set, std::size_t fact) const {
  auto const& key = set.keys[fact];
  return edit_from_bytes(need(key, "edit"), "object " + key);
}

std::shared_ptr<BatchEdit const> RunContext::batch_edit(std::string const& key) const {
  if (last_batch.first != key) {
    auto edit = batch_edit_from_bytes(need(key, "batch edit"), "object " + key);
    last_batch = {key, std::make_shared<BatchEdit const>(std::move(edit))};
  }
  return last_batch.second;
}

SharedMask RunContext::shared_mask(MaskTask const& task) const {
  return shared_mask_from_bytes(need(task.key, "mask"), "object " + task.key);
}

std::vector<std::pair<std::size_t, Edit>> edits_of(RunContext const& run, std::size_t set,
                                                   std::vector<std::size_t> const& facts) {
  std::vector<std::pair<std::size_t, Edit>> edits;
  auto const& plan = run.plan;
  if (!edits_in_batches(plan.sets[set].options.hparams.method)) {
    for (auto fact : facts) edits.emplace_back(fact, run.edit(plan.sets[set], fact));
    return edits;
  }
  std::map<std::size_t, Edit> found;
  std::set<std::size_t> const wanted(facts.begin(), facts.end());
  for (auto const& solve : plan.solves) {
    bool const needed =
        solve.set == set && std::any_of(solve.facts.begin(), solve.facts.end(), [&](auto f) { return wanted.contains(f); });
    if (!needed) continue;
    auto const batch = run.batch_edit(solve.key);
    for (std::size_t i = 0; i < solve.facts.size(); ++i) static_cast<EditOutcome&>(found[solve.facts[i]]) = batch->facts.at(i);
  }
  for (auto fact : facts) edits.emplace_back(fact, found.at(fact));
  return edits;
}

std::vector<std::size_t> pending_tasks(RunContext const& run, std::vector<TaskItem> const& tasks) {
  std::string bytes;
  agree(run.world, [&] {
    if (!run.is_root()) return;
    std::set<std::vector<std::string>> seen;  // two tasks may make the same objects: one of them is enough
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      auto const& keys = tasks[t].objects;
      bool const done = std::all_of(keys.begin(), keys.end(), [&](auto const& key) { return run.objects.get(key).has_value(); });
      if (!done && seen.insert(keys).second) bytes.append(reinterpret_cast<char const*>(&t), sizeof t);
    }
  });
  bytes = run.world.broadcast(std::move(bytes), 0);
  std::vector<std::size_t> pending(bytes.size() / sizeof(std::size_t));
  if (!pending.empty()) std::memcpy(pending.data(), bytes.data(), bytes.size());
  return pending;
}

void run_task(RunContext& run, TaskItem const& task, std::function<void()> const& work) {
  auto const start = std::chrono::steady_clock::now();
  JournalRecord record{
      task.id, TaskStatus::done, task.objects.size() == 1 ? task.objects.front() : "", 0, host_name(), run.world.rank(), ""};
  auto const seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  try {
    work();
  } catch (std::exception const& e) {
    record.status = TaskStatus::failed;
    record.note = e.what();
    record.seconds = seconds();
    run.journal->append(record);
    throw;
  }
  record.seconds = seconds();
  run.journal->append(record);
}

void record_stage(RunContext& run, std::string const& name, std::size_t tasks, std::size_t done_before,
                  std::function<void()> const& work) {
  auto const start = std::chrono::steady_clock::now();
  work();
  auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run.stages.push_back({name, seconds, tasks, done_before});
  log_info(name + ": " + std::to_string(tasks) + " tasks" +
           (done_before > 0 ? ", " + std::to_string(done_before) + " of them done before," : "") + " in " +
           format_duration(seconds));
}

void run_stage(RunContext& run, std::string const& name, std::vector<TaskItem> const& tasks,
               std::function<void(std::size_t)> const& work) {
  auto const pending = pending_tasks(run, tasks);
  auto const done = tasks.size() - pending.size();
  record_stage(run, name, tasks.size(), done, [&] {
    agree(run.world, [&] {
      std::optional<Progress> progress;
      if (run.is_root()) progress.emplace(name, "batches", tasks.size(), done);
      TaskQueue queue(run.world, pending.size());
      // Tasks are dealt out in order, so rank 0 knows from its own next one about how many are done.
      std::size_t dealt = 0;
      while (auto const next = queue.next()) {
        auto const index = pending[*next];
        run_task(run, tasks[index], [&] { work(index); });
        if (progress) progress->advance(*next + 1 - dealt);
        dealt = *next + 1;
        if (interrupted()) queue.stop();
      }
      if (progress && !interrupted()) progress->advance(pending.size() - dealt);
    });
  });
  stop_if_interrupted(run);
}

void stop_if_interrupted(RunContext const& run) {
  if (run.world.all_reduce_max(interrupted()) != 0) {
    throw Interrupted("A signal stopped the run. Everything finished is kept; run the same command again to go on.");
  }
}

}  // namespace onemask
