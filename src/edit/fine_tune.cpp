#include <onemask/core/error.hpp>
#include <onemask/edit/fine_tune.hpp>
#include <onemask/model/adam.hpp>
#include <onemask/model/cached_rows.hpp>
#include <onemask/model/head_loss.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <c10/core/GradMode.h>
#include <fmt/core.h>

namespace onemask {
namespace {

constexpr double enough = 0.01;
constexpr std::size_t facts_at_once = 32;

/// Some facts' plain prompts with their objects, stopped halfway through the tuned layer.
struct TargetRows {
  std::size_t first = 0, count = 0;
  CachedRows::Batch rows;
  Wanted read;         ///< the positions that say the objects' tokens
  at::Tensor targets;  ///< [positions]
  at::Tensor share;    ///< [positions] float32: 1 / tokens of the object
  at::Tensor fact;     ///< [positions] fact of each, counted from `first`
};

/// Where the objects' tokens are read: each behind those before it, or all behind the prompt.
bool reads_at_prompt(EditHparams const& hparams) {
  return hparams.objective_optimization == "prompt_last";
}

std::vector<TargetRows> make_parts(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams) {
  auto const layer = hparams.layer();
  std::vector<TargetRows> parts;
  for (std::size_t first = 0; first < requests.size(); first += facts_at_once) {
    auto const count = std::min(facts_at_once, requests.size() - first);
    std::vector<std::vector<std::int64_t>> rows, offsets;
    std::vector<std::int64_t> targets, facts;
    std::vector<double> share;
    for (std::size_t f = 0; f < count; ++f) {
      auto const& request = requests[first + f];
      auto const& ids = request.contexts.front().ids;
      rows.push_back(ids);
      offsets.emplace_back();
      for (std::size_t k = 0; k < request.target.size(); ++k) {
        auto const token = reads_at_prompt(hparams) ? 0 : static_cast<std::int64_t>(k);
        offsets.back().push_back(std::ssize(ids) - std::ssize(request.target) + token);
        targets.push_back(request.target[k]);
        facts.push_back(static_cast<std::int64_t>(f));
        share.push_back(1 / static_cast<double>(request.target.size()));
      }
    }
    std::vector<std::int64_t> all(count);
    std::iota(all.begin(), all.end(), std::int64_t{0});
    auto batch = CachedRows(model, layer, rows).batch(all);
    auto const read = want(batch.layout, offsets);
    auto const device = model.device();
    parts.push_back({first, count, std::move(batch), read, index_tensor(targets, device),
                     at::tensor(at::ArrayRef<double>(share), at::kFloat).to(device), index_tensor(facts, device)});
  }
  return parts;
}

/// -log P of the objects, mean over their tokens, [facts]; with `leaf`, adds the gradient of their sum over `facts` to leaf.grad.
at::Tensor losses(CausalLM const& model, TargetRows const& part, int layer, at::Tensor const& leaf, double facts) {
  auto const weight = model.projection(layer).weight;
  at::Tensor normed;
  {
    c10::AutoGradMode const gradients(true);
    auto const tuned = model.with_projections({{layer, weight + leaf.to(weight.scalar_type())}});
    Pass const pass(*tuned, part.rows.layout);
    auto const last = static_cast<int>(model.config().layers) - 1;
    normed = model.final_norm(pass.run(layer + 1, last, pass.finish(layer, part.rows.half), part.read.layout, part.read.tokens));
  }
  auto const likelihood = negative_log_likelihood(model, normed.detach(), part.targets);
  normed.backward(likelihood.gradient * (part.share / facts).to(model.dtype()).unsqueeze(1));
  auto const count = static_cast<std::int64_t>(part.count);
  return at::zeros({count}, likelihood.value.options()).index_add(0, part.fact, likelihood.value * part.share);
}

/// The requests whose loss can be computed; the others' outcomes get a failure.
std::vector<EditRequest> finite_ones(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams,
                                     std::vector<EditOutcome>& outcomes) {
  auto const layer = hparams.layer();
  auto const nothing = at::zeros_like(model.projection(layer).weight, at::kFloat);
  std::vector<EditRequest> fine;
  for (auto const& part : make_parts(model, requests, hparams)) {
    auto const values = losses(model, part, layer, nothing.clone().requires_grad_(true), 1).to(at::kCPU, at::kDouble);
    for (std::size_t f = 0; f < part.count; ++f) {
      auto const& request = requests[part.first + f];
      auto const loss = values[static_cast<std::int64_t>(f)].item<double>();
      outcomes.push_back({request.case_id, 0, loss, 0, 0, 0, std::isfinite(loss) ? "" : "the loss is not finite in step 0"});
      if (std::isfinite(loss)) fine.push_back(request);
    }
  }
  return fine;
}

/// Facts between two steps of the optimizer.
struct FactBatch {
  std::size_t first = 0, count = 0;
  std::vector<TargetRows> parts;
};

std::vector<FactBatch> make_batches(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams) {
  auto const size = hparams.batch_size > 0 ? static_cast<std::size_t>(hparams.batch_size) : requests.size();
  std::vector<FactBatch> batches;
  for (std::size_t first = 0; first < requests.size(); first += size) {
    auto const count = std::min(size, requests.size() - first);
    batches.push_back({first, count, make_parts(model, requests.subspan(first, count), hparams)});
  }
  return batches;
}

}  // namespace

BatchEdit fine_tune(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams,
                    BatchEdit const* previous) {
  c10::NoGradGuard const no_gradients;
  auto const layer = hparams.layer();
  require_layer(model, layer, "The hparams' 'layers'");
  BatchEdit edit;
  auto const tuned = finite_ones(model, requests, hparams, edit.facts);
  if (tuned.empty()) throw RunError("No fact is left to fine-tune: no fact has a finite loss.");
  std::vector<EditOutcome*> outcomes;
  for (auto& fact : edit.facts) {
    if (fact.failure.empty()) outcomes.push_back(&fact);
  }
  auto const batches = make_batches(model, tuned, hparams);
  auto const weight = model.projection(layer).weight.to(at::kFloat);
  auto change = at::zeros_like(weight), mean = at::zeros_like(weight), square = at::zeros_like(weight);
  double loss = 0;
  int steps = 0;
  for (int pass = 1; pass == 1 || (loss >= enough && pass <= hparams.num_steps); ++pass) {
    loss = 0;
    for (auto const& batch : batches) {
      auto const count = static_cast<double>(batch.count);
      auto leaf = change.clone().requires_grad_(true);
      double batch_loss = 0;
      for (auto const& part : batch.parts) {
        auto const values = losses(model, part, layer, leaf, count).to(at::kCPU, at::kDouble);
        for (std::size_t f = 0; f < part.count; ++f) {
          auto const value = values[static_cast<std::int64_t>(f)].item<double>();
          batch_loss += value / count;
          auto& outcome = *outcomes[batch.first + part.first + f];
          outcome = {outcome.case_id, pass, value, std::exp(-value), 0, 0, ""};
        }
      }
      if (!std::isfinite(batch_loss) || !leaf.grad().isfinite().all().item<bool>()) {
        throw RunError(fmt::format("Fine-tuning {} facts gave numbers that are not finite in step {}. Use a smaller lr.",
                                   tuned.size(), steps + 1));
      }
      loss += batch_loss * (count / static_cast<double>(tuned.size()));
      // Without batches, the last pass only says the loss.
      bool const looks = hparams.batch_size == 0 && pass == hparams.num_steps;
      if (batch_loss < enough || looks) continue;
      auto const gradient = leaf.grad() + hparams.weight_decay * (weight + change);
      adam_step(change, gradient, mean, square, hparams.lr, ++steps);
      if (hparams.norm_constraint > 0) change.clamp_(-hparams.norm_constraint, hparams.norm_constraint);
    }
  }
  auto const change_norm = change.norm().item<double>(), weight_norm = weight.norm().item<double>();
  for (auto* fact : outcomes) {
    fact->delta_norm = change_norm;
    fact->value_norm = weight_norm;
  }
  edit.deltas.push_back(make_dense_delta(layer, change));
  if (previous != nullptr) edit.deltas.front() = sum(previous->deltas.front(), edit.deltas.front());
  return edit;
}

}  // namespace onemask
