#include "work/stored_results.hpp"
#include "work/task_work.hpp"
#include <onemask/edit/weight_delta.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <memory>

namespace onemask {
namespace {

/// The model that a text is scored under.
std::unique_ptr<CausalLM> make_model(WorkContext const& run, StoredResults& results, TextModel const& planned) {
  std::map<int, at::Tensor> weights;
  if (!planned.edited.empty()) weights = edited_weights(run.model, results.batch_edit(planned.edited)->deltas);
  auto const& condition = run.plan.conditions[planned.condition];
  auto const& layers = run.plan.masked_layers(condition);
  if (condition.mask >= 0) {
    auto const& task = run.plan.masks[static_cast<std::size_t>(condition.mask)];
    weights =
        masked_projections(run.model, std::move(weights), layers, results.shared_mask(task).keep(task.options), condition.cover);
  } else if (condition.kind == ConditionKind::dropped) {
    weights = masked_projections(run.model, std::move(weights), layers, nothing_kept(run.model, layers));
  }
  return run.model.with_projections(std::move(weights));
}

class PerplexityWork : public TaskWork {
 public:
  explicit PerplexityWork(WorkContext const& context) : run_(context), results_(context.objects, context.plan) {}

  bool run(PlannedTask planned, TaskContext const&) override {
    auto const& task = run_.plan.text_tasks[planned.index];
    if (!model_ || made_ != task.model) {
      model_.reset();
      model_ = make_model(run_, results_, run_.plan.text_models[task.model]);
      made_ = task.model;
    }
    run_.objects.put(task.key, to_bytes(score_text(*model_, run_.text[task.piece].windows)));
    return true;
  }

 private:
  WorkContext const& run_;
  StoredResults results_;
  std::unique_ptr<CausalLM> model_;
  std::size_t made_ = 0;  ///< which of the plan's models it is
};

}  // namespace

std::unique_ptr<TaskWork> make_perplexity_work(WorkContext const& context) {
  return std::make_unique<PerplexityWork>(context);
}

}  // namespace onemask
