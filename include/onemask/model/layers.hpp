#pragma once

#include <ATen/core/Tensor.h>

namespace onemask {

// What several families have in common.

/// LayerNorm over the last dimension; scale and shift [hidden].
at::Tensor layer_norm(at::Tensor const& x, at::Tensor const& scale, at::Tensor const& shift, double epsilon);

/// Rotary position embedding on the halves of every head: (a, b) -> (a cos - b sin, b cos + a sin) (Su et al. 2021,
/// arXiv 2104.09864, equation 34). heads [tokens, heads, head_dim]; cosines and sines [tokens, 1, head_dim].
at::Tensor rotate_halves(at::Tensor const& heads, at::Tensor const& cosines, at::Tensor const& sines);

}  // namespace onemask
