#include "work/stored_results.hpp"
#include "work/task_work.hpp"
#include <onemask/edit/weight_delta.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <memory>
#include <optional>

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

/// The edit of one fact, and the mask on it, as a change of its layer; none where the edit failed.
std::optional<ProjectionOverride> change_of(WorkContext const& run, StoredResults& results, TextModel const& planned) {
  auto const& condition = run.plan.conditions[planned.condition];
  auto const edit = results.edits_of(condition.set, {*planned.fact}).front().second;
  if (!edit.failure.empty()) return std::nullopt;
  ProjectionOverride change;
  change.left = edit.left.unsqueeze(0).to(run.model.device());
  change.right = edit.right.unsqueeze(0).to(run.model.device());
  if (condition.mask >= 0) {
    auto const& task = run.plan.masks[static_cast<std::size_t>(condition.mask)];
    change.mask = results.shared_mask(task).keep(task.options).to(run.model.device(), run.model.dtype());
    change.masks_weight = condition.cover != Cover::delta;
    change.masks_edit = condition.cover != Cover::weight;
  }
  return change;
}

class PerplexityWork : public TaskWork {
 public:
  explicit PerplexityWork(WorkContext const& context) : run_(context), results_(context.objects, context.plan) {}

  bool run(PlannedTask planned, TaskContext const&) override {
    auto const& task = run_.plan.text_tasks[planned.index];
    auto const& model = run_.plan.text_models[task.model];
    if (model.fact) {
      auto const change = change_of(run_, results_, model);
      run_.objects.put(task.key, to_bytes(change ? below_edits(task).score(*change) : TextScore()));
      return true;
    }
    if (!model_ || made_ != task.model) {
      model_.reset();
      model_ = make_model(run_, results_, model);
      made_ = task.model;
    }
    run_.objects.put(task.key, to_bytes(score_text(*model_, run_.text[task.piece].windows)));
    return true;
  }

 private:
  /// A piece up to the layer that facts are edited in.
  HalfwayText const& below_edits(TextTask const& task) {
    auto const set = run_.plan.conditions[run_.plan.text_models[task.model].condition].set;
    auto const layer = run_.plan.sets[set].options.hparams.layers.front();
    if (!below_ || below_piece_ != task.piece || below_->layer() != layer) {
      below_.reset();
      below_.emplace(run_.model, layer, run_.text[task.piece].windows);
      below_piece_ = task.piece;
    }
    return *below_;
  }

  WorkContext const& run_;
  StoredResults results_;
  std::unique_ptr<CausalLM> model_;
  std::size_t made_ = 0;  ///< which of the plan's models it is
  std::optional<HalfwayText> below_;
  std::size_t below_piece_ = 0;
};

}  // namespace

std::unique_ptr<TaskWork> make_perplexity_work(WorkContext const& context) {
  return std::make_unique<PerplexityWork>(context);
}

}  // namespace onemask
