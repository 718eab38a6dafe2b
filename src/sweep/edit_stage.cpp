#include "sweep/run_context.hpp"
#include <onemask/core/log.hpp>
#include <onemask/edit/rome.hpp>

namespace onemask {
namespace {

std::vector<TaskItem> edit_items(Plan const& plan) {
  std::vector<TaskItem> items;
  for (auto const& task : plan.edits) {
    auto const& keys = plan.sets[task.set].keys;
    auto const first = keys.begin() + static_cast<std::ptrdiff_t>(task.first);
    items.push_back({"edit/" + std::to_string(task.set) + "/" + std::to_string(task.first),
                     {first, first + static_cast<std::ptrdiff_t>(task.count)}});
  }
  return items;
}

void edit_batch(RunContext const& run, EditTask const& task) {
  auto const& set = run.plan.sets[task.set];
  std::vector<EditRequest> requests;
  for (auto fact = task.first; fact < task.first + task.count; ++fact) {
    requests.push_back(make_edit_request(run.tokenizer, run.plan.facts[fact].fact, set.templates, set.options.hparams,
                                         run.model->config().positions));
  }
  auto const results = rome(*run.model, requests, set.options.hparams);
  for (std::size_t i = 0; i < results.size(); ++i) {
    auto const& edit = results[i].edit;
    if (!edit.failure.empty())
      log_warning("The fact with case_id " + std::to_string(edit.case_id) + " is set aside: " + edit.failure + ".");
    run.objects.put(set.keys[task.first + i], to_bytes(edit));
  }
}

}  // namespace

void edit_stage(RunContext& run) {
  run_stage(run, "edits", edit_items(run.plan), [&](std::size_t task) { edit_batch(run, run.plan.edits[task]); });
}

}  // namespace onemask
