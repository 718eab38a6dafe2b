#include "sweep/run_context.hpp"
#include <onemask/edit/weight_delta.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <memory>

namespace onemask {
namespace {

/// The model that a text is scored under.
std::unique_ptr<CausalLM> make_model(RunContext const& run, TextModel const& planned) {
  std::map<int, at::Tensor> weights;
  if (!planned.edited.empty()) weights = edited_weights(*run.model, run.batch_edit(planned.edited)->deltas);
  auto const mask = run.plan.conditions[planned.condition].mask;
  if (mask >= 0) {
    auto const& task = run.plan.masks[static_cast<std::size_t>(mask)];
    weights = masked_projections(*run.model, std::move(weights), task.options.layers,
                                 run.shared_mask(task).keep(task.options.threshold));
  }
  return run.model->with_projections(std::move(weights));
}

}  // namespace

void perplexity_stage(RunContext& run) {
  std::vector<TaskItem> items;
  for (auto const& task : run.plan.text_tasks)
    items.push_back({"perplexity/" + std::to_string(task.model) + "/" + std::to_string(task.piece), {task.key}});
  std::unique_ptr<CausalLM> model;
  std::size_t made = 0;  // which model it is: tasks in a row need the same
  run_stage(run, "perplexity", items, [&](std::size_t index) {
    auto const& task = run.plan.text_tasks[index];
    if (!model || made != task.model) {
      model.reset();
      model = make_model(run, run.plan.text_models[task.model]);
      made = task.model;
    }
    run.objects.put(task.key, to_bytes(score_text(*model, run.text[task.piece].windows)));
  });
}

}  // namespace onemask
