#pragma once

#include <ATen/core/Tensor.h>

namespace onemask {

/// Decay of the two moments, and what keeps the denominator from 0.
struct AdamDecay {
  double mean = 0.9, square = 0.999, epsilon = 1e-8;
};

/// One step of Adam (Kingma & Ba 2015, arXiv 1412.6980): updates the moments in place and moves `parameter` by -rate m̂ / (√v̂ +
/// ε). All tensors have one shape; `step` counts from 1.
void adam_step(at::Tensor parameter, at::Tensor const& gradient, at::Tensor mean, at::Tensor square, double rate, double step,
               AdamDecay const& decay = {});

}  // namespace onemask
