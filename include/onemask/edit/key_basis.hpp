#pragma once

#include <onemask/moments/second_moment.hpp>

#include <ATen/ATen.h>

namespace onemask {

/// Coordinates of keys in which an update is solved for, made once per second moment C [in, in] of a layer's keys and used for
/// all facts, batches and weights. `whiten` gives coordinates, `restore` goes back; both work in float64.
///   Preserved keys weigh by C:      C = L Lᵀ,  whiten = L⁻¹,  restore = L⁻ᵀ,  so that restore(whiten(k)) = C⁻¹ k.
///   Preserved keys are not touched: U spans the null space of C,  whiten = Uᵀ,  restore = U (AlphaEdit, arXiv 2410.02355).
class KeyBasis {
 public:
  /// Throws UserError when C is not positive definite, saying how many tokens it takes at least.
  static KeyBasis of_moment(SecondMoment const& moment);

  /// Eigenvectors of C with eigenvalues below `threshold`, float32 [in, directions]. Throws UserError when there is none.
  static at::Tensor null_space(SecondMoment const& moment, double threshold);
  static KeyBasis of_null_space(at::Tensor const& eigenvectors);

  at::Tensor whiten(at::Tensor const& keys) const;   ///< [in, n] -> [directions, n]
  at::Tensor restore(at::Tensor const& keys) const;  ///< [directions, n] -> [in, n]
  at::Tensor solve(at::Tensor const& keys) const { return restore(whiten(keys)); }

 private:
  KeyBasis(at::Tensor matrix, bool triangular) : matrix_(std::move(matrix)), triangular_(triangular) {}

  at::Tensor matrix_;  ///< L, or U
  bool triangular_;
};

}  // namespace onemask
