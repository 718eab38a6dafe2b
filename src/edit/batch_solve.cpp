#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/edit/batch_solve.hpp>
#include <onemask/edit/value_search.hpp>
#include <onemask/model/pass.hpp>

#include <algorithm>
#include <cmath>
#include <map>

#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <c10/core/GradMode.h>

namespace onemask {
namespace {

constexpr std::size_t requests_at_once = 64;

/// Some requests' contexts up to the subject's last token, stopped halfway through the layer that is solved for next.
struct RequestRows {
  Layout layout;
  at::Tensor lookups;       ///< [rows] index of each row's subject's last token, its last
  at::Tensor row_value;     ///< [rows]
  at::Tensor row_share;     ///< [rows] float64: of each row in its value's mean key
  Layout plain;             ///< rows of the plain contexts
  at::Tensor plain_tokens;  ///< [tokens] their tokens in the pack
  at::Tensor plain_value, plain_share;
  Halfway half;
};

/// What each value is shared by: facts, numbered from 0 without the values that nobody needs.
struct Members {
  std::map<std::int64_t, std::int64_t> number;  ///< of a row of the target values
  std::vector<double> count;
};

Members members_of(TargetValues const& targets) {
  Members members;
  for (std::size_t f = 0; f < targets.facts.size(); ++f) {
    if (!targets.facts[f].failure.empty()) continue;
    auto const number = members.number.try_emplace(targets.value_of[f], std::ssize(members.count)).first->second;
    if (number == std::ssize(members.count)) members.count.push_back(0);
    members.count[static_cast<std::size_t>(number)] += 1;
  }
  return members;
}

/// The first `count` positions of every row.
std::vector<std::vector<std::int64_t>> places_of(std::vector<std::int64_t> const& counts) {
  std::vector<std::vector<std::int64_t>> positions;
  for (auto count : counts) {
    positions.emplace_back(static_cast<std::size_t>(count));
    for (std::int64_t p = 0; p < count; ++p) positions.back()[static_cast<std::size_t>(p)] = p;
  }
  return positions;
}

at::Tensor doubles(std::vector<double> const& values, at::Device device) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).to(device);
}

RequestRows make_part(CausalLM const& model, std::vector<EditRequest const*> const& requests,
                      std::vector<std::int64_t> const& value_of, Members const& members, int layer) {
  std::vector<std::vector<std::int64_t>> rows;
  std::vector<std::int64_t> lookups, row_value, plain_counts, plain_tokens;
  std::vector<double> row_share, plain_share;
  std::int64_t token = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    auto const& contexts = requests[r]->contexts;
    auto const share = 1 / members.count[static_cast<std::size_t>(value_of[r])];
    for (std::size_t c = 0; c < contexts.size(); ++c) {
      auto const count = contexts[c].lookup + 1;
      rows.emplace_back(contexts[c].ids.begin(), contexts[c].ids.begin() + count);
      row_value.push_back(value_of[r]);
      // The plain context weighs as much as all others together.
      auto const others = static_cast<double>(contexts.size() - 1);
      row_share.push_back(others == 0 ? share : share / (c == 0 ? 2 : 2 * others));
      if (c == 0) {
        plain_counts.push_back(count);
        plain_share.push_back(share);
        for (std::int64_t t = 0; t < count; ++t) plain_tokens.push_back(token + t);
      }
      token += count;
      lookups.push_back(token - 1);
    }
  }
  auto const device = model.device();
  auto const packed = pack_rows(rows, device);
  Pass const pass(model, packed.layout);
  return {packed.layout,
          index_tensor(lookups, device),
          index_tensor(row_value, device),
          doubles(row_share, device),
          make_layout(places_of(plain_counts), device),
          index_tensor(plain_tokens, device),
          index_tensor(value_of, device),
          doubles(plain_share, device),
          pass.halfway(layer, pass.run(0, layer - 1, pass.embed(packed.ids)))};
}

/// Adds share-weighted rows to the sums [n, values] of the values that they belong to.
void add_to(at::Tensor const& sums, at::Tensor const& rows, at::Tensor const& share, at::Tensor const& value) {
  sums.index_add_(1, value, (rows.to(at::kDouble) * share.unsqueeze(1)).t());
}

at::Tensor mean_keys(std::vector<RequestRows> const& parts, std::int64_t values) {
  auto const& keys = parts.front().half.key;
  auto sums = at::zeros({keys.size(1), values}, keys.options().dtype(at::kDouble));
  for (auto const& part : parts) add_to(sums, part.half.key.index_select(0, part.lookups), part.row_share, part.row_value);
  return sums;
}

/// What target values are compared with, at the plain contexts' last tokens: the residual stream behind layer `last`, from
/// `layer` halfway, or the output of the edited matrix.
at::Tensor current_values(CausalLM const& model, std::vector<RequestRows> const& parts, int layer, int last, std::int64_t values,
                          ValueOrigin origin) {
  auto const& residual = parts.front().half.residual;
  auto sums = at::zeros({residual.size(1), values}, residual.options().dtype(at::kDouble));
  for (auto const& part : parts) {
    Pass const pass(model, part.plain);
    Halfway const half{part.half.residual.index_select(0, part.plain_tokens), part.half.key.index_select(0, part.plain_tokens)};
    auto const ends = want(part.plain, std::vector<std::vector<std::int64_t>>(part.plain.counts.size(), {-1}));
    auto const current = origin == ValueOrigin::residual
                             ? pass.run(layer + 1, last, pass.finish(layer, half), ends.layout, ends.tokens)
                             : project(model.projection(layer), half.key.index_select(0, ends.tokens));
    add_to(sums, current, part.plain_share, part.plain_value);
  }
  return sums;
}

void advance(CausalLM const& model, std::vector<RequestRows>& parts, int layer, int next) {
  for (auto& part : parts) {
    Pass const pass(model, part.layout);
    part.half = pass.halfway(next, pass.run(layer + 1, next - 1, pass.finish(layer, part.half)));
  }
}

/// (ridge I + A)⁻¹ B of a symmetric A that is not negative.
at::Tensor ridge_solve(at::Tensor a, double ridge, at::Tensor const& b) {
  a = a.clone();
  a.diagonal().add_(ridge);
  auto const [lower, info] = at::linalg_cholesky_ex(a);
  // Keys that are equal up to rounding give a pivot of about the rounding, of either sign.
  constexpr double least_pivot = 1e-11;
  bool const singular = info.item<int>() != 0 ||
                        !(lower.diagonal().square().min().item<double>() > least_pivot * a.diagonal().max().item<double>());
  if (singular) {
    throw RunError(
        "The keys of these facts are linearly dependent, so no update satisfies all of them: facts share a subject, or there are "
        "more facts than a key has entries. Use memit-merge, fewer facts_per_model, or a larger emmet_lambda.");
  }
  return at::cholesky_solve(b, lower, /*upper=*/false);
}

double ridge_of(EditHparams const& hparams, std::int64_t values) {
  if (hparams.method == EditMethod::alphaedit) return hparams.l2;
  if (hparams.method != EditMethod::emmet) return hparams.mom2_update_weight;
  return values > 1 ? hparams.mom2_update_weight * hparams.emmet_lambda : 0;
}

}  // namespace

at::Tensor adjusted_keys(KeyBasis const& basis, at::Tensor const& whitened, at::Tensor const& before,
                         EditHparams const& hparams) {
  auto const values = whitened.size(1);
  auto const ridge = ridge_of(hparams, values);
  // K̃ (ridge I + K̃ᵀK̃)⁻¹ = (ridge I + K̃K̃ᵀ)⁻¹ K̃: the smaller of the two is solved.
  if (!before.defined() && values <= whitened.size(0)) {
    auto const gram = at::matmul(whitened.t(), whitened);
    return basis.restore(ridge_solve(gram, ridge, whitened.t()).t());
  }
  auto gram = at::matmul(whitened, whitened.t());
  if (before.defined()) gram = gram + at::matmul(before, before.t());
  return basis.restore(ridge_solve(gram, ridge, whitened));
}

at::Tensor kept_update(KeyBasis const& basis, at::Tensor const& whitened, at::Tensor const& usual, at::Tensor const& keep,
                       EditHparams const& hparams) {
  invariant(hparams.method == EditMethod::memit || hparams.method == EditMethod::memit_merge, to_string(hparams.method),
            " has no update through kept entries");
  auto const one = at::eye(keep.size(1), whitened.options());
  auto const inverse =
      basis.restore(ridge_solve(at::matmul(whitened, whitened.t()), ridge_of(hparams, whitened.size(1)), basis.whiten(one)));
  auto update = usual.clone();
  auto const dropped = keep.logical_not().to(whitened.device());
  for (std::int64_t row = 0; row < update.size(0); ++row) {
    auto const columns = dropped[row].nonzero().squeeze(1);
    if (columns.numel() == 0) continue;
    auto const of_dropped = inverse.index_select(0, columns);  // [zeros, in]
    auto const [lower, info] = at::linalg_cholesky_ex(of_dropped.index_select(1, columns));
    if (info.item<int>() != 0) {
      throw RunError(
          "The second moment of a layer's keys is too close to singular for an update through the entries that a mask keeps. Use "
          "more text, or more varied text, for second moments.");
    }
    auto const excess = update[row].index_select(0, columns).unsqueeze(1);
    update[row].sub_(at::mv(of_dropped.t(), at::cholesky_solve(excess, lower, /*upper=*/false).squeeze(1)));
  }
  return update.masked_fill_(dropped, 0);
}

BatchEdit solve_batch(CausalLM const& model, std::span<EditRequest const> requests, TargetValues const& targets,
                      EditHparams const& hparams, std::map<int, KeyBasis> const& bases, BatchEdit const* previous,
                      std::vector<LayerSolve>* trace, SolveMask const* mask) {
  c10::NoGradGuard const no_gradients;
  invariant(requests.size() == targets.facts.size() && targets.value_of.size() == targets.facts.size(), "values were found for ",
            targets.facts.size(), " facts of ", requests.size());
  for (auto layer : hparams.layers) require_layer(model, layer, "The hparams' 'layers'");
  require_linear_spread(model, hparams);
  auto const members = members_of(targets);
  auto const values = std::ssize(members.count);
  if (values == 0) throw RunError("No fact is left to edit: the value search failed for all of them.");

  auto const first_layer = hparams.layers.front(), last_layer = hparams.layer();
  std::vector<RequestRows> parts;
  std::vector<EditRequest const*> some;
  std::vector<std::int64_t> value_of;
  for (std::size_t f = 0; f < requests.size(); ++f) {
    if (targets.facts[f].failure.empty()) {
      some.push_back(&requests[f]);
      value_of.push_back(members.number.at(targets.value_of[f]));
    }
    if (some.size() == requests_at_once || (f + 1 == requests.size() && !some.empty())) {
      parts.push_back(make_part(model, some, value_of, members, first_layer));
      some.clear();
      value_of.clear();
    }
  }
  std::vector<std::int64_t> rows(members.count.size());
  for (auto const& [row, number] : members.number) rows[static_cast<std::size_t>(number)] = row;
  double shares = 0;
  for (auto const& part : parts) shares += part.row_share.sum().item<double>() + part.plain_share.sum().item<double>();
  invariant(std::abs(shares - 2 * static_cast<double>(values)) < 1e-6 * static_cast<double>(values + 1), "the mean keys of ",
            values, " values have weights that add up to ", shares, " instead of two for each");
  auto const wanted = targets.values.index_select(0, index_tensor(rows, at::kCPU)).to(model.device(), at::kDouble).t();

  BatchEdit edit{targets.facts, {}, {}};
  auto edited = model.with_projections({});
  auto const origin = value_origin(model, hparams.method);
  for (std::size_t i = 0; i < hparams.layers.size(); ++i) {
    auto const layer = hparams.layers[i];
    auto const& basis = bases.at(layer);
    auto const keys = mean_keys(parts, values);
    auto const current = current_values(*edited, parts, layer, last_layer, values, origin);
    auto const residual = (wanted - current) / static_cast<double>(hparams.layers.size() - i);
    auto const whitened = basis.whiten(keys);
    auto const before = previous != nullptr && previous->keys.contains(layer)
                            ? previous->keys.at(layer).to(whitened.device(), at::kDouble)
                            : at::Tensor();
    auto const adjusted = adjusted_keys(basis, whitened, before, hparams);
    if (trace != nullptr) trace->push_back({layer, keys, current, residual, adjusted});
    if (hparams.method == EditMethod::alphaedit)
      edit.keys[layer] = (before.defined() ? at::cat({before, whitened}, 1) : whitened).to(at::kCPU, at::kFloat).contiguous();
    auto const keep = mask != nullptr && mask->keep.contains(layer) ? mask->keep.at(layer).to(model.device()) : at::Tensor();
    edit.deltas.push_back(
        keep.defined() && mask->adaptive
            ? make_dense_delta(layer, kept_update(basis, whitened, at::matmul(residual, adjusted.t()), keep, hparams))
            : make_delta(layer, residual.t(), adjusted.t()));
    auto weights = edited_weights(*edited, {edit.deltas.back()});
    if (keep.defined()) weights.at(layer).mul_(keep);
    edited = edited->with_projections(std::move(weights));
    if (i + 1 < hparams.layers.size()) advance(*edited, parts, layer, hparams.layers[i + 1]);
  }
  invariant(edit.deltas.size() == hparams.layers.size(), edit.deltas.size(), " layers of ", hparams.layers.size(),
            " were edited");
  for (std::size_t i = 0; previous != nullptr && i < edit.deltas.size(); ++i)
    edit.deltas[i] = sum(previous->deltas.at(i), edit.deltas[i]);
  return edit;
}

}  // namespace onemask
