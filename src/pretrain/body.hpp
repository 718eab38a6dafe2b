#pragma once

#include "pretrain/row_stream.hpp"
#include "pretrain/weights.hpp"
#include <onemask/checkpoint/config.hpp>

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onemask {

/// A transformer in training: forward and backward of packed rows, in the type of the activations. The weights are a copy in that
/// type (norms float32), made anew when they change.
class TrainingBody {
 public:
  /// `type` of activations and products: float32 or bfloat16.
  TrainingBody(ModelConfig const& config, at::ScalarType type);

  std::vector<Weight> const& weights() const { return weights_; }
  std::int64_t size() const { return weights_.back().offset + weights_.back().count; }

  /// Takes these weights, [size()] float32, until the next call.
  void set_weights(at::Tensor const& flat);

  /// Sums of -log P over the predictions of some rows.
  struct Losses {
    double objects = 0, others = 0;
  };
  /// Adds the gradient of  sum of weight * -log P / total_weight  to `sum`, [size()] int64 in fixed point (see fixed_point.hpp).
  Losses add_gradient(PackedRows const& rows, double total_weight, int fraction_bits, at::Tensor const& sum);

  /// Logits [predictions, vocabulary] float32, at the places of the rows' predictions.
  at::Tensor logits(PackedRows const& rows) const;

 private:
  at::Tensor embed(PackedRows const& rows) const;
  /// Normalised hidden states [predictions, hidden] from embedded rows.
  at::Tensor forward(at::Tensor const& embedded, PackedRows const& rows, at::Tensor const& places) const;

  ModelConfig config_;
  at::ScalarType type_;
  std::vector<Weight> weights_;
  std::vector<at::Tensor> leaves_;          ///< by weight, what products read; gradients flow into all but the embeddings
  at::Tensor tokens_, position_embedding_;  ///< float32 embeddings
};

}  // namespace onemask
