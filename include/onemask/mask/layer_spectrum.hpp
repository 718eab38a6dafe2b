#pragma once

#include <cstdint>

#include <ATen/ATen.h>

namespace onemask {

/// The singular values and left singular vectors of a matrix W [out, in], from which those of W + Σ_k left_k right_kᵀ follow for
/// any number of edits without a decomposition of a matrix of theirs: with W Wᵀ = U D Uᵀ, the edited matrix's product with its
/// own transpose is U (D + a change of rank 2 rank) Uᵀ.
class LayerSpectrum {
 public:
  /// One decomposition of W Wᵀ, on the CPU in float64.
  explicit LayerSpectrum(at::Tensor const& weight);

  /// The left singular vectors of the edited matrices that belong to their `count` largest singular values, the largest first:
  /// [edits, out, count], float64 on the CPU, each of length 1. left [edits, rank, out], right [edits, rank, in].
  ///
  /// Rayleigh-Ritz in a subspace that is chosen beforehand: the coordinates of the largest entries of D, and Chebyshev
  /// polynomials of the rest of D times the change (Parlett, The Symmetric Eigenvalue Problem, chapters 11 to 13). Its size is
  /// fixed, so are the steps; other edits in the batch and other counts decide nothing but the last bits.
  at::Tensor top(at::Tensor const& left, at::Tensor const& right, std::int64_t count) const;

  /// Those of W itself, [out, count].
  at::Tensor top(std::int64_t count) const { return vectors_.narrow(1, 0, count); }

 private:
  at::Tensor weight_;   ///< [out, in]
  at::Tensor vectors_;  ///< U [out, out], by falling singular values
  at::Tensor values_;   ///< D [out], the squared singular values, falling
};

}  // namespace onemask
