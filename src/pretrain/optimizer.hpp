#pragma once

#include "pretrain/weights.hpp"
#include <onemask/comm/communicator.hpp>
#include <onemask/pretrain/study.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onemask {

/// The type of activations and of the optimizer's products.
at::ScalarType type_of_products(TrainingOptions const& options);

/// The factor on both learning rates at step 0 … steps - 1: up to 1 over the warmup, then down to min_lr_ratio at the last step.
double learning_rate_factor(TrainingOptions const& options, std::int64_t step);

/// A matrix near U Vᵀ of the singular value decomposition U S Vᵀ: five Newton-Schulz steps on the matrix over its norm (Jordan et
/// al. 2024, "Muon: An optimizer for hidden layers"), with products in `type`. Singular values come out between 0.7 and 1.2.
at::Tensor orthogonalised(at::Tensor const& matrix, at::ScalarType type);

/// Muon for the matrices of the blocks (momentum 0.95 by Nesterov, steps scaled by sqrt(max(1, out / in))), Adam (Kingma & Ba
/// 2015; betas 0.9, 0.95) for all other weights. The ranks share out the matrices, and hand the results round as they are: the
/// weights are the same on every rank, and on any number of ranks.
class Optimizer {
 public:
  /// `flat` holds the weights, [sum of counts] float32; they are changed in place.
  Optimizer(std::vector<Weight> const& weights, at::Tensor flat, TrainingOptions const& options, Communicator const& comm);

  /// `gradient` [sum of counts] float32, the same on every rank. Collective.
  void step(at::Tensor const& gradient, std::int64_t step);

  at::Tensor const& flat() const { return flat_; }
  /// Momentum and squares, for a checkpoint; views to be written to when one is read.
  std::map<std::string, at::Tensor> state() const { return {{"weights", flat_}, {"mean", mean_}, {"square", square_}}; }

 private:
  void step_matrices(at::Tensor const& gradient, double rate);
  void step_others(at::Tensor const& gradient, double rate, std::int64_t step);

  std::vector<Weight> weights_;
  at::Tensor flat_;
  TrainingOptions options_;
  Communicator comm_;
  std::vector<int> owner_;  ///< by weight: the rank that orthogonalises it
  at::Tensor mean_;         ///< [sum of counts] momentum of Muon, mean of Adam
  at::Tensor square_;       ///< [sum of counts] of Adam
};

}  // namespace onemask
