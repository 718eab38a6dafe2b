#include "eval/edited_products.hpp"

#include <onemask/core/invariant.hpp>
#include <onemask/mask/baselines.hpp>

#include <algorithm>
#include <utility>

namespace onemask {
namespace {

/// A bias where the family has one.
at::Tensor with_bias(at::Tensor const& product, at::Tensor const& bias) {
  return bias.defined() ? product + bias : product;
}

}  // namespace

/// W' x without the bias, where the factors are `left` and `right`.
at::Tensor EditedProducts::edited(at::Tensor const& key, at::Tensor const& edit, at::Tensor const& left,
                                  at::Tensor const& right) const {
  auto projection = model_.projection(layer_);
  projection.bias = at::Tensor();
  return project(projection, key, {left, right, edit, {}});
}

/// W' of one fact, [out, in] in float32.
at::Tensor EditedProducts::matrix(std::size_t edit) const {
  auto const e = static_cast<std::int64_t>(edit);
  return model_.projection(layer_).weight.to(at::kFloat) + at::matmul(left_[e].t(), right_[e]);
}

/// [edits, rows or columns]
at::Tensor EditedProducts::line_scores(BaselineScore score) const {
  auto const weight = model_.projection(layer_).weight;
  if (score == BaselineScore::magnitude_rows) return squared_row_norms(weight, left_, right_);
  if (score == BaselineScore::magnitude_columns) return squared_row_norms(weight.t(), right_, left_);
  std::vector<at::Tensor> means;
  for (auto const& fact : facts_) {
    auto const& span = batch_.spans()[fact.rewrite];
    auto const keys = batch_.keys().narrow(0, span.first, span.prompt).to(at::kDouble);
    means.push_back((score == BaselineScore::activation ? keys.abs() : keys).mean(0));
  }
  return at::stack(means);
}

at::Tensor EditedProducts::entry_mask(FactBaseline const& baseline, std::size_t edit, at::Tensor const& own) {
  auto const& fact = facts_[edit];
  auto const score = baseline.what.score;
  if (score == BaselineScore::random)
    return random_mask(own.sizes(), baseline.zeros, baseline.seed, fact.case_id).to(own.device());
  auto const e = static_cast<std::int64_t>(edit);
  if (score == BaselineScore::delta_magnitude) return largest_mask(at::matmul(left_[e].t(), right_[e]).abs(), baseline.zeros);
  if (score != BaselineScore::gradient) return pruning_mask(score, model_.projection(layer_).weight, own, baseline.zeros);
  if (!gradient_.defined())
    gradient_ = batch_.gradient([this, bias = model_.projection(layer_).bias](at::Tensor const& key, at::Tensor const& tokens) {
      return with_bias(edited(key, tokens, left_, right_), bias);
    });
  auto const& span = batch_.spans()[fact.rewrite];
  auto const of_prompt = [&](at::Tensor const& all) { return all.narrow(0, span.first, span.tokens).to(at::kFloat); };
  return largest_mask((own * at::matmul(of_prompt(gradient_).t(), of_prompt(batch_.keys()))).abs(), baseline.zeros);
}

/// Every fact's tokens by themselves.
ProjectionProduct EditedProducts::by_edit(PerEdit const& product) const {
  return [product, bias = model_.projection(layer_).bias](at::Tensor const& key, at::Tensor const& edit) {
    auto const edits = edit.to(at::kCPU).contiguous();
    auto const* const begin = edits.data_ptr<std::int64_t>();
    auto const* const end = begin + edits.numel();
    std::vector<at::Tensor> parts;
    for (auto const* first = begin; first < end;) {
      auto const* const last = std::find_if(first, end, [&](auto e) { return e != *first; });
      parts.push_back(product(static_cast<std::size_t>(*first), key.narrow(0, first - begin, last - first)));
      first = last;
    }
    return with_bias(at::cat(parts), bias);
  };
}

/// As many as a baseline may ask for, whatever is asked for: then a baseline has the same bits in every study.
at::Tensor EditedProducts::components(LayerSpectrum const& spectrum) {
  if (!components_.defined()) {
    auto const count = std::min<std::int64_t>(most_components, left_.size(2));
    components_ = spectrum.top(left_, right_, count).to(model_.device(), model_.dtype());
  }
  return components_;
}

ProjectionProduct EditedProducts::without_components(FactBaseline const& baseline) {
  auto const vectors = components(*baseline.spectrum).narrow(2, 0, static_cast<std::int64_t>(*baseline.what.amount));
  return by_edit([this, vectors](std::size_t edit, at::Tensor const& key) {
    auto const e = static_cast<std::int64_t>(edit);
    auto const whole = edited(key, at::full({key.size(0)}, e, key.options().dtype(at::kLong)), left_, right_);
    return whole - at::matmul(at::matmul(whole, vectors[e]), vectors[e].t());
  });
}

/// Whole rows or columns. Where they become those of W, the factors lose them; otherwise what comes out or goes in.
ProjectionProduct EditedProducts::lines(FactBaseline const& baseline, bool rows) const {
  auto const scores = line_scores(baseline.what.score);
  auto const length = rows ? right_.size(2) : left_.size(2);
  std::vector<at::Tensor> kept;
  for (std::int64_t e = 0; e < scores.size(0); ++e) kept.push_back(largest_mask(scores[e], baseline.zeros / length));
  auto const keep = at::stack(kept).to(model_.dtype());  // [edits, rows or columns]
  bool const original = baseline.what.fill == Fill::original;
  auto const left = original && rows ? left_ * keep.unsqueeze(1) : left_;
  auto const right = original && !rows ? right_ * keep.unsqueeze(1) : right_;
  return [this, keep, original, rows, left, right, bias = model_.projection(layer_).bias](at::Tensor const& key,
                                                                                          at::Tensor const& edit) {
    if (original) return with_bias(edited(key, edit, left, right), bias);
    auto const own = keep.index_select(0, edit);
    return with_bias(rows ? own * edited(key, edit, left, right) : edited(own * key, edit, left, right), bias);
  };
}

/// The largest entries of ΔW of rank 1 become those of W: a row keeps the columns behind its first ones in the order of falling
/// |right|, whose products with the key are a running sum from the end.
ProjectionProduct EditedProducts::without_largest_changes(FactBaseline const& baseline) const {
  std::vector<at::Tensor> orders, counts;
  auto const left = left_.select(1, 0).to(at::kCPU), right = right_.select(1, 0).to(at::kCPU);
  for (std::int64_t e = 0; e < left.size(0); ++e) {
    auto largest = largest_products(left[e], right[e], baseline.zeros);
    orders.push_back(std::move(largest.order));
    counts.push_back(std::move(largest.counts));
  }
  auto const device = model_.device();
  return [this, order = at::stack(orders).to(device), count = at::stack(counts).to(device),
          projection = model_.projection(layer_)](at::Tensor const& key, at::Tensor const& edit) {
    auto const scaled = (right_.select(1, 0).to(key.scalar_type()).index_select(0, edit) * key).to(at::kFloat);
    auto const sums = scaled.gather(1, order.index_select(0, edit)).flip(1).cumsum(1);  // of the last columns
    auto const from_none = at::cat({at::zeros({sums.size(0), 1}, sums.options()), sums}, 1);
    auto const kept = from_none.gather(1, key.size(1) - count.index_select(0, edit)).to(key.scalar_type());
    auto const own_left = left_.select(1, 0).to(key.scalar_type()).index_select(0, edit);
    return project(projection, key) + own_left * kept;
  };
}

ProjectionProduct EditedProducts::entries(FactBaseline const& baseline) {
  return by_edit([this, baseline](std::size_t edit, at::Tensor const& key) {
    auto const own = matrix(edit);
    auto const keep = entry_mask(baseline, edit, own);
    auto const changed = filled(baseline.what.fill, keep, model_.projection(layer_).weight.to(at::kFloat), own);
    return at::linear(key, changed.to(key.scalar_type()));
  });
}

ProjectionProduct EditedProducts::under(FactBaseline const& baseline) {
  auto const score = baseline.what.score;
  switch (score) {
    case BaselineScore::bottom_rank:
      return without_components(baseline);
    case BaselineScore::shrink:
      return [this, factor = *baseline.what.amount, bias = model_.projection(layer_).bias](at::Tensor const& key,
                                                                                           at::Tensor const& edit) {
        return with_bias(factor * edited(key, edit, left_, right_), bias);
      };
    case BaselineScore::magnitude_rows:
      return lines(baseline, true);
    case BaselineScore::magnitude_columns:
    case BaselineScore::activation:
    case BaselineScore::activation_signed:
      return lines(baseline, false);
    case BaselineScore::delta_magnitude:
      if (baseline.what.fill == Fill::original && left_.size(1) == 1) return without_largest_changes(baseline);
      return entries(baseline);
    default:
      return entries(baseline);
  }
}

}  // namespace onemask
