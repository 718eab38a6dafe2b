#pragma once

#include <onemask/model/causal_lm.hpp>

#include <map>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// A change of one layer's second projection that one model carries for all its facts: W' = W + leftᵀ right, or W + dense,
/// whichever takes less room.
///
/// Example: gpt2-xl [1600, 6400]: 100 facts make factors of 3.2 MB, 10 000 facts a matrix of 41 MB.
struct WeightDelta {
  int layer = 0;
  at::Tensor left;   ///< [rank, out], float32 on the CPU; undefined where dense is there
  at::Tensor right;  ///< [rank, in]
  at::Tensor dense;  ///< [out, in]; undefined where the factors are there

  /// ΔW [out, in]
  at::Tensor matrix() const;
};

/// The delta leftᵀ right, kept as it is smaller. Any device and floating-point type.
WeightDelta make_delta(int layer, at::Tensor const& left, at::Tensor const& right);
WeightDelta make_dense_delta(int layer, at::Tensor const& matrix);

/// What one delta after the other comes to; both of one layer.
WeightDelta sum(WeightDelta const& first, WeightDelta const& second);

/// Frobenius norm of all of them together, as one matrix would have it.
double frobenius_norm(std::vector<WeightDelta> const& deltas);

/// The model's second projections with the deltas added, by layer.
std::map<int, at::Tensor> edited_weights(CausalLM const& model, std::vector<WeightDelta> const& deltas);

}  // namespace onemask
