#pragma once

#include <ATen/ATen.h>

namespace onemask {

/// How much of some changes ΔW lies where a mask is zero: sums over entries, [edits] float64.
struct ChangeSums {
  at::Tensor squares, squares_at_zeros;
  at::Tensor sizes, sizes_at_zeros;  ///< of |ΔW|
};

/// Of changes of rank 1, left rightᵀ: Σ left_r² (1 - M)_rc right_c², so that no matrix of an edit is formed. keep [out, in] bool,
/// left [edits, out], right [edits, in].
ChangeSums change_sums(at::Tensor const& keep, at::Tensor const& left, at::Tensor const& right);
/// Of one change that is a matrix, [out, in].
ChangeSums change_sums(at::Tensor const& keep, at::Tensor const& matrix);

}  // namespace onemask
