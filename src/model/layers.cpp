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

at::Tensor Linear::operator()(at::Tensor const& x) const {
  return at::linear(x, weight, bias);
}

at::Tensor Norm::operator()(at::Tensor const& x) const {
  if (!scale.defined()) return x;
  return shift.defined() ? layer_norm(x, scale, shift, epsilon) : rms_norm(x, scale, epsilon);
}

FrozenNorm Norm::frozen_at(at::Tensor const& x) const {
  if (!scale.defined()) return {};
  auto wide = x.to(at::kFloat);
  bool const centred = shift.defined();
  if (centred) wide = wide - wide.mean(-1, true);
  auto const divisor = (wide.square().mean(-1, true) + epsilon).sqrt();
  return {scale.to(at::kFloat) / divisor, centred ? shift.to(at::kFloat) : at::Tensor(), centred};
}

at::Tensor FrozenNorm::transposed(at::Tensor const& readout) const {
  auto result = readout.to(at::kFloat);
  if (!scale.defined()) return result;
  auto factor = scale;
  while (factor.dim() < result.dim()) factor = factor.unsqueeze(1);
  result = result * factor;
  return centred ? result - result.mean(-1, true) : result;
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
