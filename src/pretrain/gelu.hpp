#pragma once

#include <ATen/core/Tensor.h>

namespace onemask {

/// GELU by its tanh approximation (Hendrycks & Gimpel 2016, section 2), of contiguous float32 or bfloat16 on the CPU, with its
/// gradient. It is x σ(2u) with 2u = sqrt(8/π) (x + 0.044715 x³), to which a polynomial for exp makes it a fraction of
/// LibTorch's cost; it differs from LibTorch's by rounding alone.
at::Tensor fast_gelu(at::Tensor const& x);

}  // namespace onemask
