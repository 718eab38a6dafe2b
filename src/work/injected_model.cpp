#include "work/injected_model.hpp"

#include <onemask/mask/shared_mask.hpp>

namespace onemask {

std::unique_ptr<CausalLM> masked_model(CausalLM const& model, BatchEdit const* edit, std::vector<int> const& layers,
                                       at::Tensor const& keep) {
  auto weights = edit != nullptr ? edited_weights(model, edit->deltas) : std::map<int, at::Tensor>();
  if (keep.defined()) weights = masked_projections(model, std::move(weights), layers, keep);
  return model.with_projections(std::move(weights));
}

InjectedModel::InjectedModel(WorkContext const& run, StoredResults const& results, std::size_t task, at::Tensor const& keep)
    : original_(run.model), keep_(keep.defined() ? keep.to(run.model.device()) : keep) {
  auto const& injections = run.plan.injections;
  auto const& own = injections[task];
  layer_ = run.plan.sets[own.set].options.hparams.layer();
  weight_ = original_.projection(layer_).weight.to(at::kFloat, false, true);
  for (auto t = task - own.earlier; t < task; ++t) {
    for (auto const& edit : results.edits(injections[t].edits)) carry(edit);
  }
  make_model();
}

void InjectedModel::add(Edit const& edit) {
  carry(edit);
  make_model();
}

void InjectedModel::carry(Edit const& edit) {
  if (edit.failure.empty()) weight_.add_(at::matmul(edit.left.t(), edit.right).to(weight_.device()));
}

void InjectedModel::make_model() {
  auto const weight = keep_.defined() ? weight_ * keep_ : weight_.clone();
  model_ = original_.with_projections({{layer_, weight.to(original_.dtype())}});
}

}  // namespace onemask
