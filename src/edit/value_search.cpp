#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/edit/value_search.hpp>
#include <onemask/model/adam.hpp>
#include <onemask/model/head_loss.hpp>
#include <onemask/model/pass.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <c10/core/GradMode.h>
#include <fmt/core.h>

namespace onemask {
namespace {

constexpr double early_stop_loss = 0.05;

/// All rows of a batch: request after request, each with its contexts and then its essence prompt.
struct Rows {
  std::int64_t values = 0;
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<std::int64_t> lookups;               ///< position of the edited token in each row
  std::vector<std::int64_t> value;                 ///< value that each row searches for
  std::vector<std::int64_t> plain;                 ///< row of each request's plain context
  std::vector<double> plain_share, essence_share;  ///< of each request in its value's mean over requests
  std::vector<std::vector<std::int64_t>> read;     ///< offsets in the row's suffix that the loss reads
  std::vector<std::int64_t> targets;               ///< token to predict at each read position of a context row, in order
  std::vector<double> weights;                     ///< of each of these in its object's mean
  std::vector<std::int64_t> target_value;          ///< value of each of these
  std::vector<std::int64_t> target_context;        ///< context row of each of these, counted over the batch
  std::vector<std::int64_t> context_positions, essence_positions;  ///< indices among all read positions
  std::vector<std::int64_t> context_rows;
  std::vector<double> context_share;  ///< of each context row in its value's mean over contexts
};

Rows lay_out(std::span<EditRequest const> requests, std::span<std::int64_t const> value_of) {
  Rows rows;
  std::map<std::int64_t, double> contexts, members;  // of each value
  for (std::size_t r = 0; r < requests.size(); ++r) {
    contexts[value_of[r]] += static_cast<double>(requests[r].contexts.size());
    members[value_of[r]] += 1;
  }
  rows.values = std::ssize(members);
  invariant(members.begin()->first == 0 && members.rbegin()->first == rows.values - 1, "the ", rows.values,
            " values to be found are numbered from ", members.begin()->first, " to ", members.rbegin()->first);
  std::int64_t position = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    auto const& request = requests[r];
    auto const value = value_of[r];
    auto const count = static_cast<std::int64_t>(request.target.size());
    auto const add = [&](EditRequest::Row const& row) {
      rows.ids.push_back(row.ids);
      rows.lookups.push_back(row.lookup);
      rows.value.push_back(value);
      rows.read.emplace_back();
    };
    rows.plain.push_back(static_cast<std::int64_t>(rows.ids.size()));
    rows.plain_share.push_back(1 / members[value]);
    for (auto const& context : request.contexts) {
      rows.context_rows.push_back(static_cast<std::int64_t>(rows.ids.size()));
      rows.context_share.push_back(1 / contexts[value]);
      add(context);
      auto const first = static_cast<std::int64_t>(context.ids.size()) - count - context.lookup;
      for (std::int64_t k = 0; k < count; ++k) {
        rows.read.back().push_back(first + k);
        rows.targets.push_back(request.target[static_cast<std::size_t>(k)]);
        rows.weights.push_back(1 / static_cast<double>(count));
        rows.target_value.push_back(value);
        rows.target_context.push_back(static_cast<std::int64_t>(rows.context_rows.size()) - 1);
        rows.context_positions.push_back(position++);
      }
    }
    add(request.essence);
    rows.essence_share.push_back(1 / members[value]);
    rows.read.back().push_back(0);
    rows.essence_positions.push_back(position++);
  }
  auto const weight = std::accumulate(rows.weights.begin(), rows.weights.end(), 0.0);
  invariant(std::abs(weight - static_cast<double>(rows.context_rows.size())) < 1e-6 * (weight + 1), "the losses of ",
            rows.context_rows.size(), " contexts have weights that add up to ", weight);
  return rows;
}

/// The part of the model that delta reaches: the residual stream after the edited layer from the edited token on, and the past of
/// the layers above.
struct Suffix {
  Pass pass;
  at::Tensor residual;  ///< [tokens, hidden] before delta
  at::Tensor first;     ///< [rows] index of each row's edited token
  at::Tensor before;    ///< [rows, hidden] residual stream there before the MLP
  at::Tensor output;    ///< [rows, hidden] of the edited matrix there
  Wanted read;
  int first_layer, last_layer;

  /// Normalised hidden states at all read positions, with `added` [rows, hidden] to the edited matrix' output.
  at::Tensor run(CausalLM const& model, at::Tensor const& added) const {
    auto const changed = model.config().mlp_norm
                             ? residual.index_copy(0, first, before + model.mlp_output(first_layer - 1, output + added))
                             : residual.index_add(0, first, added);
    return model.final_norm(pass.run(first_layer, last_layer, changed, read.layout, read.tokens));
  }
};

struct Start {
  Suffix suffix;
  at::Tensor keys;    ///< [rows, in] at the edited token
  at::Tensor origin;  ///< [rows, hidden] what values are measured against there
};

Start run_once(CausalLM const& model, Rows const& rows, EditHparams const& hparams, ValueOrigin origin) {
  c10::NoGradGuard const no_gradients;
  auto const packed = pack_rows(rows.ids, model.device());
  Pass const pass(model, packed.layout);
  auto const layer = hparams.layer();
  auto const half = pass.halfway(layer, pass.run(0, layer - 1, pass.embed(packed.ids)));
  auto const output = project(model.projection(layer), half.key);
  auto const residual = half.residual + model.mlp_output(layer, output);

  std::vector<KeyValue> seen;
  auto const top = pass.run(layer + 1, hparams.v_loss_layer - 1, residual, &seen);
  if (hparams.v_loss_layer > layer) {
    seen.resize(static_cast<std::size_t>(hparams.v_loss_layer) + 1);
    seen.back() =
        model.keys_values(hparams.v_loss_layer, model.attention_input(hparams.v_loss_layer, top), packed.layout.positions);
  }

  std::vector<std::int64_t> edited, tokens, first;
  std::vector<std::vector<std::int64_t>> positions;
  std::int64_t begin = 0;
  for (std::size_t row = 0; row < rows.ids.size(); ++row) {
    auto const last = rows.lookups[row] + rows.read[row].back();
    edited.push_back(begin + rows.lookups[row]);
    first.push_back(static_cast<std::int64_t>(tokens.size()));
    positions.emplace_back();
    for (auto position = rows.lookups[row]; position <= last; ++position) {
      positions.back().push_back(position);
      tokens.push_back(begin + position);
    }
    begin += packed.layout.counts[row];
  }
  invariant(begin == packed.layout.tokens, "the rows of a batch have ", begin, " tokens of ", packed.layout.tokens);
  auto const edited_tokens = index_tensor(edited, model.device());
  auto const layout = make_layout(positions, model.device());
  return {{Pass(model, layout, make_past(packed.layout, seen, layer + 1, rows.lookups)),
           residual.index_select(0, index_tensor(tokens, model.device())), index_tensor(first, model.device()),
           half.residual.index_select(0, edited_tokens), output.index_select(0, edited_tokens), want(layout, rows.read),
           layer + 1, hparams.v_loss_layer},
          half.key.index_select(0, edited_tokens).to(at::kFloat),
          (origin == ValueOrigin::residual ? residual : output).index_select(0, edited_tokens).to(at::kFloat)};
}

/// Adam on one vector per value; a finished one stays.
class DeltaOptimizer {
 public:
  DeltaOptimizer(at::Tensor const& like, double rate) : mean_(at::zeros_like(like)), square_(at::zeros_like(like)), rate_(rate) {}

  void step(at::Tensor& delta, at::Tensor const& gradient, at::Tensor const& active, at::Tensor const& radius) {
    ++steps_;
    auto moved = delta.clone();
    adam_step(moved, gradient, mean_, square_, rate_, steps_);
    auto const norm = moved.norm(2, {1}, true);
    moved = at::where(norm > radius, moved * (radius / norm), moved);
    delta.copy_(at::where(active, moved, delta));
  }

 private:
  at::Tensor mean_, square_;
  double rate_;
  int steps_ = 0;
};

/// Columns of as many numbers, on the host: of a device that is one wait, and not one for each.
std::vector<std::vector<double>> to_doubles(std::vector<at::Tensor> columns) {
  for (auto& column : columns) column = column.to(at::kDouble).flatten();
  auto const table = at::stack(columns).to(at::kCPU);
  auto const numbers = table.accessor<double, 2>();
  std::vector<std::vector<double>> result(columns.size());
  for (std::int64_t i = 0; i < table.size(0); ++i) {
    for (std::int64_t k = 0; k < table.size(1); ++k) result[static_cast<std::size_t>(i)].push_back(numbers[i][k]);
  }
  return result;
}

/// Sums of rows [n, …] by the group that each belongs to, in order: [groups, …].
at::Tensor sums_by(at::Tensor const& rows, at::Tensor const& group, std::int64_t groups) {
  auto sizes = rows.sizes().vec();
  sizes.front() = groups;
  return at::zeros(sizes, rows.options()).index_add(0, group, rows);
}

}  // namespace

void require_loss_layer(CausalLM const& model, EditHparams const& hparams) {
  require_layer(model, hparams.v_loss_layer, "The hparams' 'v_loss_layer'");
  if (hparams.v_loss_layer < hparams.layer()) {
    throw UserError(
        fmt::format("The hparams' 'v_loss_layer' is {}, below the edited layer {}, where the edit has no effect. "
                    "Name the edited layer or one above it.",
                    hparams.v_loss_layer, hparams.layer()));
  }
}

void require_linear_spread(CausalLM const& model, EditHparams const& hparams) {
  if (!model.config().mlp_norm || !edits_in_batches(hparams.method) || hparams.method == EditMethod::ft_l ||
      hparams.layers.size() == 1)
    return;
  throw UserError(
      fmt::format("{} cannot spread its edits over {} layers of a model of the family '{}': a norm stands between each edited "
                  "matrix and the residual stream, so that a change of the stream cannot be divided among the layers. Name one "
                  "layer (edit.layers).",
                  to_string(hparams.method), hparams.layers.size(), model.config().family));
}

ValueOrigin value_origin(CausalLM const& model, EditMethod method) {
  bool const in_stream = edits_in_batches(method) && !model.config().mlp_norm;
  return in_stream ? ValueOrigin::residual : ValueOrigin::mlp_output;
}

FoundValues find_values(CausalLM const& model, std::span<EditRequest const> requests, std::span<std::int64_t const> value_of,
                        EditHparams const& hparams, ValueOrigin origin) {
  for (auto layer : hparams.layers) require_layer(model, layer, "The hparams' 'layers'");
  require_loss_layer(model, hparams);
  require_linear_spread(model, hparams);
  invariant(origin == ValueOrigin::mlp_output || !model.config().mlp_norm,
            "a value in the residual stream is no output of a matrix that a norm follows");
  invariant(!requests.empty() && requests.size() == value_of.size(), "of ", requests.size(), " facts, ", value_of.size(),
            " have a value to be found");
  auto const device = model.device();
  auto const rows = lay_out(requests, value_of);
  auto const start = run_once(model, rows, hparams, origin);
  auto const count = rows.values;
  auto const on_device = [&](std::vector<std::int64_t> const& indices) { return index_tensor(indices, device); };
  auto const numbers = [&](std::vector<double> const& values) {
    return at::tensor(at::ArrayRef<double>(values), at::kFloat).to(device);
  };
  auto const row_value = on_device(rows.value);
  auto const context_rows = on_device(rows.context_rows);
  auto const plain = on_device(rows.plain);
  auto const targets = on_device(rows.targets);
  auto const target_value = on_device(rows.target_value);
  auto const target_context = on_device(rows.target_context);
  auto const value_of_context = row_value.index_select(0, context_rows);
  auto const value_of_request = row_value.index_select(0, plain);
  auto const context_share = numbers(rows.context_share);
  auto const request_share = numbers(rows.plain_share);
  auto const object_share = numbers(rows.weights);
  auto const weights = object_share * context_share.index_select(0, target_context);
  auto const context_positions = on_device(rows.context_positions);
  auto const essence_positions = on_device(rows.essence_positions);

  FoundValues found;
  found.steps.resize(static_cast<std::size_t>(count));
  found.failures.resize(static_cast<std::size_t>(count));
  at::Tensor value_norm;
  {
    c10::NoGradGuard const no_gradients;
    auto const mean = [&](at::Tensor const& table, at::Tensor const& some, at::Tensor const& share, at::Tensor const& value) {
      return sums_by(table.index_select(0, some) * share.unsqueeze(1), value, count);
    };
    found.keys = mean(start.keys, context_rows, context_share, value_of_context);
    found.plain_keys = mean(start.keys, plain, request_share, value_of_request);
    found.origin = mean(start.origin, plain, request_share, value_of_request);
    value_norm = found.origin.norm(2, {1}, true);
  }
  auto const radius = value_norm * hparams.clamp_norm_factor;
  auto const decay = hparams.v_weight_decay / value_norm.square();

  auto delta = at::zeros_like(found.origin);
  DeltaOptimizer optimizer(delta, hparams.v_lr);
  auto active = at::ones({count, 1}, at::TensorOptions().dtype(at::kBool).device(device));
  std::vector<double> before;  // which values were to be moved in the last step
  at::Tensor reference;        // log-probabilities at the essence positions before any change
  for (int step = 0; step < hparams.v_num_grad_steps; ++step) {
    auto leaf = delta.detach().clone().requires_grad_(true);
    at::Tensor normed;
    {
      c10::AutoGradMode const gradients(true);
      normed = start.suffix.run(model, leaf.index_select(0, row_value).to(model.dtype()));
    }
    c10::NoGradGuard const no_gradients;
    auto const hidden = normed.detach();
    auto const essence = hidden.index_select(0, essence_positions);
    if (!reference.defined()) reference = log_probabilities(model, essence);
    auto const likelihood = negative_log_likelihood(model, hidden.index_select(0, context_positions), targets);
    auto const drift = divergence_from(model, essence, reference);

    auto const nll = sums_by(likelihood.value * weights, target_value, count);
    auto const nll_of_context = sums_by(likelihood.value * object_share, target_context, context_rows.size(0));
    auto const p_new = sums_by(at::exp(-nll_of_context) * context_share, value_of_context, count);
    auto const kl = sums_by(drift.value * request_share, value_of_request, count) * hparams.kl_factor;
    auto const norm = delta.norm(2, {1}, true);
    auto const penalty = (decay * norm).squeeze(1);
    auto const loss = nll + kl + penalty;

    auto const searching = active.logical_and(loss.isfinite().logical_and(loss >= early_stop_loss).unsqueeze(1));
    auto const seen = to_doubles({active, loss, nll, kl, penalty, p_new, searching});
    auto const& still = seen[0];
    for (std::size_t v = 0; v < still.size(); ++v) {
      if (still[v] != 0) {
        found.steps[v].push_back({seen[1][v], seen[2][v], seen[3][v], seen[4][v], seen[5][v]});
        if (!std::isfinite(seen[1][v])) found.failures[v] = fmt::format("the loss is not finite in step {}", step);
      } else if (!before.empty() && before[v] != 0) {
        found.failures[v] = fmt::format("the gradient is not finite in step {}", step - 1);
      }
    }
    active = searching;
    before = seen.back();
    bool const none = std::all_of(before.begin(), before.end(), [](double value) { return value == 0; });
    if (step + 1 == hparams.v_num_grad_steps || none) break;

    auto state_gradient = at::zeros_like(hidden);
    state_gradient.index_copy_(0, context_positions, likelihood.gradient * weights.to(model.dtype()).unsqueeze(1));
    state_gradient.index_copy_(0, essence_positions,
                               drift.gradient * (request_share * hparams.kl_factor).to(model.dtype()).unsqueeze(1));
    normed.backward(state_gradient);
    auto const pull = at::where(norm > 0, delta * (decay / norm), at::zeros_like(delta));
    auto const gradient = leaf.grad().to(at::kFloat) + pull;
    active = active.logical_and(gradient.isfinite().all(1, true));
    optimizer.step(delta, gradient, active, radius);
  }
  found.delta = delta;
  return found;
}

std::vector<std::int64_t> own_values(std::size_t requests) {
  std::vector<std::int64_t> values(requests);
  std::iota(values.begin(), values.end(), std::int64_t{0});
  return values;
}

std::vector<std::int64_t> values_by_subject(std::span<EditRequest const> requests) {
  std::map<std::string, std::int64_t> numbers;
  std::vector<std::int64_t> values;
  for (auto const& request : requests) values.push_back(numbers.try_emplace(request.subject, std::ssize(numbers)).first->second);
  return values;
}

}  // namespace onemask
