#include "work/injected_model.hpp"

namespace onemask {

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
