#include <onemask/model/layers.hpp>

#include <ATen/ATen.h>

namespace onemask {

at::Tensor layer_norm(at::Tensor const& x, at::Tensor const& scale, at::Tensor const& shift, double epsilon) {
  return at::layer_norm(x, {scale.size(0)}, scale, shift, epsilon);
}

at::Tensor rms_norm(at::Tensor const& x, at::Tensor const& scale, double epsilon) {
  auto const wide = x.to(at::kFloat);
  auto const normed = wide * at::rsqrt(wide.square().mean(-1, true) + epsilon);
  return scale.scalar_type() == at::kFloat ? (normed * scale).to(x.scalar_type()) : normed.to(x.scalar_type()) * scale;
}

at::Tensor soft_cap(at::Tensor const& x, double cap) {
  return at::tanh(x / cap) * cap;
}

at::Tensor rotate_halves(at::Tensor const& heads, at::Tensor const& cosines, at::Tensor const& sines) {
  auto const half = heads.size(2) / 2;
  auto const turned = at::cat({heads.narrow(2, half, half).neg(), heads.narrow(2, 0, half)}, 2);
  return heads * cosines + turned * sines;
}

}  // namespace onemask
