#pragma once

#include <ATen/core/Tensor.h>

namespace onemask {

// What several families have in common.

/// LayerNorm over the last dimension; scale and shift [hidden].
at::Tensor layer_norm(at::Tensor const& x, at::Tensor const& scale, at::Tensor const& shift, double epsilon);

/// RMSNorm over the last dimension (Zhang & Sennrich 2019, arXiv 1910.07467), its mean square in float32 whatever the type. Where
/// scale [hidden] is float32, the result is rounded to x's type once, after it is scaled (Gemma, OLMo 2); else before and after
/// (Llama).
at::Tensor rms_norm(at::Tensor const& x, at::Tensor const& scale, double epsilon);

/// A matrix [out, in] with its bias, undefined where there is none; or scale and shift of a norm.
struct Linear {
  at::Tensor weight, bias;

  at::Tensor operator()(at::Tensor const& x) const;
};

/// A norm whose divisor is that of one residual stream for each token, which makes it linear but for its shift:
///   v -> scale ∘ (v - mean(v), or v where it is not centred) + shift.
struct FrozenNorm {
  at::Tensor scale;  ///< [tokens, size] float32: the norm's own scale over its divisor; undefined: no norm, v stays v
  at::Tensor shift;  ///< [size] float32; undefined: none
  bool centred = false;

  /// What reads v where `readout` reads the norm's result: transposed(readout)·v + readout·shift = readout·norm(v) for every v.
  /// `readout` is [tokens, size] or [tokens, …, size]; the result is float32 of the same shape.
  at::Tensor transposed(at::Tensor const& readout) const;
};

/// A norm over the last dimension.
struct Norm {
  at::Tensor scale;  ///< [size]; undefined: no norm, x stays x
  at::Tensor shift;  ///< [size] of a LayerNorm; undefined: an RMSNorm
  double epsilon = 0;

  at::Tensor operator()(at::Tensor const& x) const;
  /// With its divisors at x, [tokens, size].
  FrozenNorm frozen_at(at::Tensor const& x) const;
};

/// cap * tanh(x / cap): as x near 0, and never beyond the cap (Gemma 2, arXiv 2408.00118, section 2).
at::Tensor soft_cap(at::Tensor const& x, double cap);

/// Rotary position embedding on the halves of every head: (a, b) -> (a cos - b sin, b cos + a sin) (Su et al. 2021,
/// arXiv 2104.09864, equation 34). heads [tokens, heads, head_dim]; cosines and sines [tokens, 1, head_dim].
at::Tensor rotate_halves(at::Tensor const& heads, at::Tensor const& cosines, at::Tensor const& sines);

}  // namespace onemask
