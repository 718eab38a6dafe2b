#include "sweep/run_context.hpp"

#include <onemask/comm/agree.hpp>
#include <onemask/comm/task_queue.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/progress.hpp>
#include <onemask/edit/rome.hpp>

#include <optional>

namespace onemask {
namespace {

std::vector<TaskItem> edit_items(Plan const& plan) {
  std::vector<TaskItem> items;
  for (auto const& task : plan.edits) {
    auto const& keys = plan.sets[task.set].keys;
    auto const first = keys.begin() + static_cast<std::ptrdiff_t>(task.first);
    items.push_back({"edit/" + std::to_string(task.set) + "/" + std::to_string(task.first), {first, first + static_cast<std::ptrdiff_t>(task.count)}});
  }
  return items;
}

void edit_batch(RunContext const& run, EditTask const& task) {
  auto const& set = run.plan.sets[task.set];
  std::vector<EditRequest> requests;
  for (auto fact = task.first; fact < task.first + task.count; ++fact) {
    requests.push_back(make_edit_request(run.tokenizer, run.plan.facts[fact].fact, set.templates, set.options.hparams, run.model->config().positions));
  }
  auto const results = rome(*run.model, requests, set.options.hparams);
  for (std::size_t i = 0; i < results.size(); ++i) {
    auto const& edit = results[i].edit;
    if (!edit.failure.empty()) log_warning("The fact with case_id " + std::to_string(edit.case_id) + " is set aside: " + edit.failure + ".");
    run.objects.put(set.keys[task.first + i], to_bytes(edit));
  }
}

}  // namespace

void edit_stage(RunContext& run) {
  auto const items = edit_items(run.plan);
  auto const pending = pending_tasks(run, items);
  run.stages.push_back({"edits", 0, items.size(), items.size() - pending.size()});
  agree(run.world, [&] {
    std::optional<Progress> progress;
    if (run.is_root()) progress.emplace("editing", "batches", items.size(), items.size() - pending.size());
    TaskQueue queue(run.world, pending.size());
    std::size_t seen = 0;
    while (auto const next = queue.next()) {
      auto const index = pending[*next];
      run_task(run, items[index], [&] { edit_batch(run, run.plan.edits[index]); });
      if (progress) progress->advance(*next + 1 - seen);
      seen = *next + 1;
      if (interrupted()) queue.stop();
    }
    if (progress && !interrupted()) progress->advance(pending.size() - seen);
  });
  stop_if_interrupted(run);
}

}  // namespace onemask
