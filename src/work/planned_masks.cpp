#include "work/planned_masks.hpp"

#include <onemask/mask/baselines.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <algorithm>

namespace onemask {

std::int64_t PlannedMasks::zeros_of_mask(PlannedCondition const& planned) {
  return planned.mask < 0 ? 0 : kept(planned.mask).logical_not().sum().item<std::int64_t>();
}

at::Tensor const& PlannedMasks::kept(std::ptrdiff_t mask) {
  if (kept_of_ != mask) {
    auto const& task = run_.plan.masks[static_cast<std::size_t>(mask)];
    kept_ = results_.shared_mask(task).keep(task.options);
    kept_of_ = mask;
  }
  return kept_;
}

/// A baseline that all facts share, by its own score and number of zeros.
at::Tensor PlannedMasks::shared_mask_of(Baseline const& baseline, MaskTask const& task, std::int64_t zeros_of_mask) {
  auto const& layers = task.options.layers;
  auto const rows = std::ssize(layers) * run_.plan.out;
  auto const zeros = pruned_entries(baseline, rows, run_.plan.in, zeros_of_mask);
  if (baseline.score == BaselineScore::random) return random_mask({rows, run_.plan.in}, zeros, task.seed);
  if (baseline.score == BaselineScore::delta_magnitude) return largest_mask(delta_magnitude(task), zeros);
  auto const own = weights(layers);
  return pruning_mask(baseline.score, own, own, zeros);
}

at::Tensor PlannedMasks::mask(PlannedCondition const& planned) {
  if (planned.baseline && planned.baseline->scope == BaselineScope::fact) return {};
  if (planned.kind == ConditionKind::dropped) return nothing_kept(run_.model, run_.plan.masked_layers(planned));
  if (planned.mask < 0) return {};
  auto const& task = run_.plan.masks[static_cast<std::size_t>(planned.mask)];
  bool const trained = planned.kind == ConditionKind::mask || planned.kind == ConditionKind::original_masked ||
                       planned.kind == ConditionKind::patched;
  if (trained) return kept(planned.mask);
  auto const zeros = zeros_of_mask(planned);
  if (planned.baseline) return shared_mask_of(*planned.baseline, task, zeros);
  return shared_mask_of({*value_of(baseline_score_names, to_string(planned.kind))}, task, zeros);
}

at::Tensor PlannedMasks::mask(InjectedMask const& under) {
  if (under.mask < 0) return {};
  if (under != last_under_) {
    auto const set = run_.plan.masks[static_cast<std::size_t>(under.mask)].set;
    last_ = mask(PlannedCondition{"", under.kind, set, under.mask});
    last_under_ = under;
  }
  return last_;
}

std::vector<int> PlannedMasks::layers(InjectedMask const& under) const {
  return under.mask < 0 ? std::vector<int>() : run_.plan.masks[static_cast<std::size_t>(under.mask)].options.layers;
}

/// The layers' matrices below each other.
at::Tensor PlannedMasks::weights(std::vector<int> const& layers) const {
  std::vector<at::Tensor> matrices;
  for (auto layer : layers) matrices.push_back(run_.model.projection(layer).weight.to(at::kCPU, at::kFloat));
  return at::cat(matrices);
}

/// Mean over the mask's training facts of |ΔW|, like `weights`.
at::Tensor PlannedMasks::delta_magnitude(MaskTask const& task) {
  auto const& layers = task.options.layers;
  auto& magnitude = delta_magnitudes_[{task.set, layers, task.training}];
  if (magnitude.defined()) return magnitude;
  auto const& set = run_.plan.sets[task.set];
  auto training = task.training;
  std::erase_if(training, [&](auto fact) { return !set.edits(fact); });
  if (set.in_batches) {
    std::map<std::string, std::int64_t> facts_of;  // by the object of their model
    for (auto const fact : training) ++facts_of[set.keys[fact]];
    for (auto const& [key, facts] : facts_of) {
      std::vector<at::Tensor> matrices;
      for (auto const& delta : results_.batch_edit(key)->deltas) {
        if (std::find(layers.begin(), layers.end(), delta.layer) != layers.end()) matrices.push_back(delta.matrix().abs());
      }
      auto const part = at::cat(matrices) * (static_cast<double>(facts) / static_cast<double>(training.size()));
      magnitude = magnitude.defined() ? magnitude + part : part;
    }
    return magnitude;
  }
  std::vector<at::Tensor> lefts, rights;
  for (auto const& [fact, edit] : results_.edits_of(task.set, training)) {
    if (!edit.failure.empty()) continue;
    lefts.push_back(edit.left);
    rights.push_back(edit.right);
  }
  return magnitude = mean_delta_magnitude(stacked_factors(lefts), stacked_factors(rights));
}

}  // namespace onemask
