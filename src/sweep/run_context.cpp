#include "sweep/run_context.hpp"

#include <onemask/comm/agree.hpp>
#include <onemask/comm/task_queue.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/progress.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

namespace onemask {

Edit RunContext::edit(EditSet const& set, std::size_t fact) const {
  auto const& key = set.keys[fact];
  auto bytes = objects.get(key);
  if (!bytes)
    throw RunError("The edit " + key +
                   " has vanished from the object store while the run goes on. Start the same command again.");
  return edit_from_bytes(std::move(*bytes), "object " + key);
}

std::vector<std::size_t> pending_tasks(RunContext const& run, std::vector<TaskItem> const& tasks) {
  std::string bytes;
  agree(run.world, [&] {
    if (!run.is_root()) return;
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      auto const& keys = tasks[t].objects;
      bool const done = std::all_of(keys.begin(), keys.end(), [&](auto const& key) { return run.objects.get(key).has_value(); });
      if (!done) bytes.append(reinterpret_cast<char const*>(&t), sizeof t);
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

void run_stage(RunContext& run, std::string const& name, std::vector<TaskItem> const& tasks,
               std::function<void(std::size_t)> const& work) {
  auto const pending = pending_tasks(run, tasks);
  auto const done = tasks.size() - pending.size();
  run.stages.push_back({name, 0, tasks.size(), done});
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
  stop_if_interrupted(run);
}

void stop_if_interrupted(RunContext const& run) {
  if (run.world.all_reduce_max(interrupted()) != 0) {
    throw Interrupted("A signal stopped the run. Everything finished is kept; run the same command again to go on.");
  }
}

}  // namespace onemask
