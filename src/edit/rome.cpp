#include <onemask/core/error.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/model/head_loss.hpp>
#include <onemask/model/pass.hpp>

#include <cmath>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

constexpr double early_stop_loss = 0.05;

/// All rows of a batch: request after request, each with its contexts and then its essence prompt.
struct Rows {
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<std::int64_t> lookups;                         ///< place of the edited token in each row
  std::vector<std::int64_t> request;                         ///< request of each row
  std::vector<std::int64_t> plain;                           ///< row of each request's plain context
  std::vector<std::vector<std::int64_t>> read;               ///< offsets in the row's suffix that the loss reads
  std::vector<std::int64_t> targets;                         ///< token to predict at each read place of a context row, in order
  std::vector<double> weights;                               ///< of each of these in its request's mean
  std::vector<std::int64_t> target_request;                  ///< request of each of these
  std::vector<std::int64_t> target_context;                  ///< context row of each of these, counted over the batch
  std::vector<std::int64_t> context_places, essence_places;  ///< indices among all read places
  std::vector<std::int64_t> context_rows;
};

Rows lay_out(std::span<EditRequest const> requests) {
  Rows rows;
  std::int64_t place = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    auto const& request = requests[r];
    auto const index = static_cast<std::int64_t>(r);
    auto const count = static_cast<std::int64_t>(request.target.size());
    auto const add = [&](EditRequest::Row const& row) {
      rows.ids.push_back(row.ids);
      rows.lookups.push_back(row.lookup);
      rows.request.push_back(index);
      rows.read.emplace_back();
    };
    rows.plain.push_back(static_cast<std::int64_t>(rows.ids.size()));
    for (auto const& context : request.contexts) {
      rows.context_rows.push_back(static_cast<std::int64_t>(rows.ids.size()));
      add(context);
      auto const first = static_cast<std::int64_t>(context.ids.size()) - count - context.lookup;
      for (std::int64_t k = 0; k < count; ++k) {
        rows.read.back().push_back(first + k);
        rows.targets.push_back(request.target[static_cast<std::size_t>(k)]);
        rows.weights.push_back(1.0 / static_cast<double>(count * static_cast<std::int64_t>(request.contexts.size())));
        rows.target_request.push_back(index);
        rows.target_context.push_back(static_cast<std::int64_t>(rows.context_rows.size()) - 1);
        rows.context_places.push_back(place++);
      }
    }
    add(request.essence);
    rows.read.back().push_back(0);
    rows.essence_places.push_back(place++);
  }
  return rows;
}

/// The part of the model that delta reaches: the residual stream after the edited layer from the edited token on, and the past of
/// the layers above.
struct Suffix {
  Pass pass;
  at::Tensor residual;  ///< [tokens, hidden] before delta
  at::Tensor first;     ///< [rows] index of each row's edited token
  Wanted read;
  int first_layer, last_layer;

  /// Normalised hidden states at all read places.
  at::Tensor run(CausalLM const& model, at::Tensor const& added) const {
    return model.final_norm(pass.run(first_layer, last_layer, residual.index_add(0, first, added), read.layout, read.tokens));
  }
};

struct Start {
  Suffix suffix;
  at::Tensor keys;    ///< [rows, in] at the edited token
  at::Tensor values;  ///< [rows, out] MLP output there
};

Start run_once(CausalLM const& model, Rows const& rows, RomeHparams const& hparams) {
  c10::NoGradGuard const no_gradients;
  auto const packed = pack_rows(rows.ids, model.device());
  Pass const pass(model, packed.layout);
  auto const half = pass.halfway(hparams.layer, pass.run(0, hparams.layer - 1, pass.embed(packed.ids)));
  auto const value = project(model.projection(hparams.layer), half.key);
  auto const residual = half.residual + value;

  std::vector<KeyValue> seen;
  auto const top = pass.run(hparams.layer + 1, hparams.v_loss_layer - 1, residual, &seen);
  if (hparams.v_loss_layer > hparams.layer) {
    seen.resize(static_cast<std::size_t>(hparams.v_loss_layer) + 1);
    seen.back() =
        model.keys_values(hparams.v_loss_layer, model.attention_input(hparams.v_loss_layer, top), packed.layout.positions);
  }

  std::vector<std::int64_t> edited, tokens, first;
  std::vector<std::vector<std::int64_t>> places;
  std::int64_t begin = 0;
  for (std::size_t row = 0; row < rows.ids.size(); ++row) {
    auto const last = rows.lookups[row] + rows.read[row].back();
    edited.push_back(begin + rows.lookups[row]);
    first.push_back(static_cast<std::int64_t>(tokens.size()));
    places.emplace_back();
    for (auto place = rows.lookups[row]; place <= last; ++place) {
      places.back().push_back(place);
      tokens.push_back(begin + place);
    }
    begin += packed.layout.counts[row];
  }
  auto const edited_tokens = index_tensor(edited, model.device());
  auto const layout = make_layout(places, model.device());
  return {{Pass(model, layout, make_past(packed.layout, seen, hparams.layer + 1, rows.lookups)),
           residual.index_select(0, index_tensor(tokens, model.device())), index_tensor(first, model.device()),
           want(layout, rows.read), hparams.layer + 1, hparams.v_loss_layer},
          half.key.index_select(0, edited_tokens).to(at::kFloat),
          value.index_select(0, edited_tokens).to(at::kFloat)};
}

/// Adam on one vector per request; a finished request's vector stays.
class DeltaOptimizer {
 public:
  DeltaOptimizer(at::Tensor const& like, double rate) : mean_(at::zeros_like(like)), square_(at::zeros_like(like)), rate_(rate) {}

  void step(at::Tensor& delta, at::Tensor const& gradient, at::Tensor const& active, at::Tensor const& radius) {
    ++steps_;
    mean_.mul_(0.9).add_(gradient, 0.1);
    square_.mul_(0.999).addcmul_(gradient, gradient, 0.001);
    auto const scale = rate_ / (1 - std::pow(0.9, steps_));
    auto const denominator = (square_.sqrt() / std::sqrt(1 - std::pow(0.999, steps_))).add_(1e-8);
    auto moved = delta - scale * mean_ / denominator;
    auto const norm = moved.norm(2, {1}, true);
    moved = at::where(norm > radius, moved * (radius / norm), moved);
    delta.copy_(at::where(active, moved, delta));
  }

 private:
  at::Tensor mean_, square_;
  double rate_;
  int steps_ = 0;
};

std::vector<double> to_doubles(at::Tensor const& values) {
  auto const flat = values.to(at::kCPU, at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

/// Sums of values [n] by the group that each belongs to, in order: [groups].
at::Tensor sums_by(at::Tensor const& values, at::Tensor const& group, std::int64_t groups) {
  return at::zeros({groups}, values.options()).index_add(0, group, values);
}

}  // namespace

std::vector<RomeResult> rome(CausalLM const& model, std::span<EditRequest const> requests, RomeHparams const& hparams) {
  require_layer(model, hparams.layer, "The hparams' 'layers'");
  require_layer(model, hparams.v_loss_layer, "The hparams' 'v_loss_layer'");
  if (hparams.v_loss_layer < hparams.layer) {
    throw UserError("The hparams' 'v_loss_layer' is " + std::to_string(hparams.v_loss_layer) + ", below the edited layer " +
                    std::to_string(hparams.layer) + ", where no edit is seen. Name the edited layer or one above it.");
  }
  std::vector<RomeResult> results(requests.size());
  if (requests.empty()) return results;

  auto const count = static_cast<std::int64_t>(requests.size());
  auto const device = model.device();
  auto const rows = lay_out(requests);
  auto const start = run_once(model, rows, hparams);
  auto const row_request = index_tensor(rows.request, device);
  auto const context_rows = index_tensor(rows.context_rows, device);
  auto const plain = index_tensor(rows.plain, device);
  auto const targets = index_tensor(rows.targets, device);
  auto const target_request = index_tensor(rows.target_request, device);
  auto const target_context = index_tensor(rows.target_context, device);
  auto const request_of_context = row_request.index_select(0, context_rows);
  auto const contexts = static_cast<double>(rows.context_rows.size()) / static_cast<double>(count);
  auto const weights = at::tensor(at::ArrayRef<double>(rows.weights), at::kFloat).to(device);
  auto const context_places = index_tensor(rows.context_places, device);
  auto const essence_places = index_tensor(rows.essence_places, device);

  at::Tensor key, value, value_norm;
  {
    c10::NoGradGuard const no_gradients;
    key = at::zeros({count, start.keys.size(1)}, start.keys.options())
              .index_add(0, request_of_context, start.keys.index_select(0, context_rows)) /
          contexts;
    value = start.values.index_select(0, plain);
    value_norm = value.norm(2, {1}, true);
  }
  auto const radius = value_norm * hparams.clamp_norm_factor;
  auto const decay = hparams.v_weight_decay / value_norm.square();

  auto delta = at::zeros_like(value);
  DeltaOptimizer optimizer(delta, hparams.v_lr);
  auto active = at::ones({count, 1}, at::TensorOptions().dtype(at::kBool).device(device));
  at::Tensor reference;  // log-probabilities at the essence places before any change
  for (int step = 0; step < hparams.v_num_grad_steps; ++step) {
    auto leaf = delta.detach().clone().requires_grad_(true);
    at::Tensor normed;
    {
      c10::AutoGradMode const gradients(true);
      normed = start.suffix.run(model, leaf.index_select(0, row_request).to(model.dtype()));
    }
    c10::NoGradGuard const no_gradients;
    auto const hidden = normed.detach();
    auto const essence = hidden.index_select(0, essence_places);
    if (!reference.defined()) reference = log_probabilities(model, essence);
    auto const likelihood = negative_log_likelihood(model, hidden.index_select(0, context_places), targets);
    auto const drift = divergence_from(model, essence, reference);

    auto const nll = sums_by(likelihood.value * weights, target_request, count);
    auto const nll_of_context = sums_by(likelihood.value * weights * contexts, target_context, context_rows.size(0));
    auto const p_new = sums_by(at::exp(-nll_of_context) / contexts, request_of_context, count);
    auto const kl = drift.value * hparams.kl_factor;
    auto const norm = delta.norm(2, {1}, true);
    auto const penalty = (decay * norm).squeeze(1);
    auto const loss = nll + kl + penalty;

    auto const still = to_doubles(active);
    auto const losses = to_doubles(loss), nlls = to_doubles(nll), kls = to_doubles(kl), penalties = to_doubles(penalty),
               ps = to_doubles(p_new);
    for (std::size_t r = 0; r < results.size(); ++r) {
      if (still[r] == 0) continue;
      results[r].trace.steps.push_back({losses[r], nlls[r], kls[r], penalties[r], ps[r]});
      if (!std::isfinite(losses[r])) results[r].edit.failure = "the loss is not finite in step " + std::to_string(step);
    }
    active = active.logical_and(loss.unsqueeze(1) >= early_stop_loss).logical_and(loss.unsqueeze(1).isfinite());
    if (step + 1 == hparams.v_num_grad_steps || !active.any().item<bool>()) break;

    auto slope = at::zeros_like(hidden);
    slope.index_copy_(0, context_places, likelihood.gradient * weights.to(model.dtype()).unsqueeze(1));
    slope.index_copy_(0, essence_places, drift.gradient * hparams.kl_factor);
    normed.backward(slope);
    auto const pull = at::where(norm > 0, delta * (decay / norm), at::zeros_like(delta));
    optimizer.step(delta, leaf.grad().to(at::kFloat) + pull, active, radius);
  }

  c10::NoGradGuard const no_gradients;
  auto const unit = key / key.norm(2, {1}, true);
  bool const averaged = hparams.variant == RomeVariant::r_rome;
  auto const read_key = averaged ? key : start.keys.index_select(0, plain);
  auto const read_value = averaged ? project(model.projection(hparams.layer), key.to(model.dtype())).to(at::kFloat) : value;
  auto const left = (value + delta - read_value) / (read_key * unit).sum(1, true);
  auto const lefts = left.to(at::kCPU), rights = unit.to(at::kCPU);
  auto const delta_norms = to_doubles(delta.norm(2, {1})), value_norms = to_doubles(value_norm);
  for (std::size_t r = 0; r < results.size(); ++r) {
    auto& [edit, trace] = results[r];
    auto const index = static_cast<std::int64_t>(r);
    edit.case_id = requests[r].case_id;
    edit.layer = hparams.layer;
    edit.steps = static_cast<int>(trace.steps.size());
    edit.loss = trace.steps.back().loss;
    edit.p_new = trace.steps.back().p_new;
    edit.delta_norm = delta_norms[r];
    edit.value_norm = value_norms[r];
    if (edit.failure.empty() && !(lefts[index].isfinite().all().item<bool>() && rights[index].isfinite().all().item<bool>())) {
      edit.failure = "the factors of the update are not finite";
    }
    if (edit.failure.empty()) {
      edit.left = lefts[index].unsqueeze(0).clone();
      edit.right = rights[index].unsqueeze(0).clone();
    }
    trace.key = key[index].to(at::kCPU);
    trace.target_init = value[index].to(at::kCPU);
    trace.delta = delta[index].to(at::kCPU);
  }
  return results;
}

}  // namespace onemask
