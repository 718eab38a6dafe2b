#include "pretrain/body.hpp"

#include "pretrain/blocks.hpp"
#include <onemask/compute/fixed_point.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/model/layers.hpp>

#include <limits>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace onemask {
namespace {

using Kind = Weight::Kind;

at::Tensor index_of(std::vector<std::int64_t> const& values) {
  return at::tensor(values, at::kLong);
}

/// [rows, 1, width, width]: 0 where a token may look (itself and what stands before it in its sequence), -inf elsewhere.
at::Tensor score_mask(PackedRows const& rows, at::ScalarType type) {
  auto const sequence = index_of(rows.sequence).view({rows.rows, rows.width});
  auto const column = at::arange(rows.width, at::kLong);
  auto const hidden = sequence.unsqueeze(2).ne(sequence.unsqueeze(1)).logical_or_(column.unsqueeze(1).lt(column.unsqueeze(0)));
  return at::zeros(hidden.sizes(), at::TensorOptions().dtype(type))
      .masked_fill_(hidden, -std::numeric_limits<double>::infinity())
      .unsqueeze(1);
}

std::vector<std::int64_t> positions_of_predictions(PackedRows const& rows) {
  std::vector<std::int64_t> places;
  for (auto const& prediction : rows.predictions) places.push_back(prediction.position);
  return places;
}

}  // namespace

TrainingBody::TrainingBody(ModelConfig const& config, at::ScalarType type)
    : config_(config), type_(type), weights_(weights_of(config)), leaves_(weights_.size()) {}

void TrainingBody::set_weights(at::Tensor const& flat) {
  c10::NoGradGuard const no_gradients;
  invariant(flat.numel() == size() && flat.scalar_type() == at::kFloat, "a model of ", size(), " numbers is given ",
            flat.numel());
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    auto const& weight = weights_[i];
    auto const view = view_of(flat, weight);
    bool const wide = weight.kind == Kind::norm || weight.kind == Kind::norm_bias;
    leaves_[i] = view.to(wide ? at::kFloat : type_, /*non_blocking=*/false, /*copy=*/true);
    if (weight.kind == Kind::embedding) {
      tokens_ = view;
    } else if (weight.kind == Kind::positions) {
      position_embedding_ = view;
    } else {
      leaves_[i].set_requires_grad(true);
    }
  }
}

at::Tensor TrainingBody::embed(PackedRows const& rows) const {
  auto embedded = tokens_.index_select(0, index_of(rows.ids));
  if (position_embedding_.defined()) embedded.add_(position_embedding_.index_select(0, index_of(rows.positions)));
  return embedded.to(type_);
}

at::Tensor TrainingBody::forward(at::Tensor const& embedded, PackedRows const& rows, at::Tensor const& places) const {
  BlockInputs const inputs{rows.rows, rows.width, score_mask(rows, type_), index_of(rows.positions)};
  bool const gpt2 = config_.family == "gpt2";
  auto const first = leaves_.begin() + (gpt2 ? 2 : 1);
  auto const residual = (gpt2 ? run_gpt2_blocks : run_llama_blocks)(config_, {first, leaves_.end()}, embedded, inputs);
  auto const wanted = residual.index_select(0, places);
  return gpt2 ? layer_norm(wanted, *(leaves_.end() - 2), leaves_.back(), config_.norm_epsilon)
              : rms_norm(config_, wanted, leaves_.back());
}

at::Tensor TrainingBody::logits(PackedRows const& rows) const {
  c10::NoGradGuard const no_gradients;
  auto const normed = forward(embed(rows), rows, index_of(positions_of_predictions(rows)));
  return at::mm(normed, leaves_.front().t()).to(at::kFloat);
}

TrainingBody::Losses TrainingBody::add_gradient(PackedRows const& rows, double total_weight, int fraction_bits,
                                                at::Tensor const& sum) {
  Losses losses;
  if (rows.predictions.empty()) return losses;
  auto const places = index_of(positions_of_predictions(rows));
  at::Tensor embedded, normed;
  {
    c10::NoGradGuard const no_gradients;
    embedded = embed(rows);
  }
  embedded.set_requires_grad(true);
  {
    c10::AutoGradMode const gradients(true);
    normed = forward(embedded, rows, places);
  }
  c10::NoGradGuard const no_gradients;
  auto const hidden = normed.detach();
  auto const& head = leaves_.front();
  auto const count = std::ssize(rows.predictions);
  auto logit_gradient = at::log_softmax(at::mm(hidden, head.t()), 1, at::kFloat);
  auto const likelihoods = logit_gradient.clone();
  logit_gradient.exp_();
  auto* const gradients = logit_gradient.mutable_data_ptr<float>();
  auto const* const logs = likelihoods.const_data_ptr<float>();
  auto scale = at::empty({count, 1}, at::kFloat);
  for (std::int64_t i = 0; i < count; ++i) {
    auto const& prediction = rows.predictions[static_cast<std::size_t>(i)];
    auto const at = i * config_.vocabulary + prediction.token;
    (prediction.object ? losses.objects : losses.others) -= static_cast<double>(logs[at]);
    gradients[at] -= 1;
    scale.mutable_data_ptr<float>()[i] = static_cast<float>(static_cast<double>(prediction.weight) / total_weight);
  }
  auto const narrow = logit_gradient.mul_(scale).to(type_);
  normed.backward(at::mm(narrow, head));

  // The embedding is read twice, as it is looked up and as the head; both parts are summed in float32.
  auto const into_rows = embedded.grad().to(at::kFloat);
  auto const into_tokens = at::mm(narrow.t(), hidden).to(at::kFloat).index_add_(0, index_of(rows.ids), into_rows);
  auto const add = [&](Weight const& weight, at::Tensor const& gradient) {
    add_fixed_point(gradient.contiguous().view({-1}), fraction_bits, sum.narrow(0, weight.offset, weight.count));
  };
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i].kind == Kind::embedding) {
      add(weights_[i], into_tokens);
    } else if (weights_[i].kind == Kind::positions) {
      add(weights_[i], at::zeros_like(position_embedding_).index_add_(0, index_of(rows.positions), into_rows));
    } else {
      add(weights_[i], leaves_[i].grad());
      leaves_[i].mutable_grad() = at::Tensor();
    }
  }
  return losses;
}

}  // namespace onemask
