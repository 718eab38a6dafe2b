#include <onemask/model/adam.hpp>

#include <cmath>

#include <ATen/ATen.h>

namespace onemask {

void adam_step(at::Tensor parameter, at::Tensor const& gradient, at::Tensor mean, at::Tensor square, double rate, double step,
               AdamDecay const& decay) {
  mean.mul_(decay.mean).add_(gradient, 1 - decay.mean);
  square.mul_(decay.square).addcmul_(gradient, gradient, 1 - decay.square);
  auto const denominator = (square.sqrt() / std::sqrt(1 - std::pow(decay.square, step))).add_(decay.epsilon);
  parameter.addcdiv_(mean, denominator, -rate / (1 - std::pow(decay.mean, step)));
}

}  // namespace onemask
