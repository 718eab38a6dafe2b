#include "model/rotary.hpp"

#include <onemask/core/invariant.hpp>
#include <onemask/model/layers.hpp>

#include <cmath>

#include <ATen/ATen.h>

namespace onemask {
namespace {

/// Llama 3's scaling: low frequencies divided by `factor`, high ones kept, a linear passage between.
double stretched(double frequency, RopeScaling const& scaling) {
  double const turns = static_cast<double>(scaling.original_positions) * frequency / (2 * M_PI);
  double const kept = (turns - scaling.low_frequency_factor) / (scaling.high_frequency_factor - scaling.low_frequency_factor);
  if (turns < scaling.low_frequency_factor) return frequency / scaling.factor;
  return turns <= scaling.high_frequency_factor ? (1 - kept) * frequency / scaling.factor + kept * frequency : frequency;
}

}  // namespace

Rotary::Rotary(ModelConfig const& config, double theta, bool scaled, Placement placement) {
  auto const entries = config.rotary_dim > 0 ? config.rotary_dim : config.head_dim;
  auto const pairs = static_cast<std::size_t>(entries / 2);
  auto const& divisors = config.rope_divisors;
  invariant(divisors.empty() || divisors.size() == pairs, divisors.size(), " divisors belong to ", pairs, " frequencies");
  auto frequencies = at::empty({entries / 2}, at::kDouble);
  for (std::size_t i = 0; i < pairs; ++i) {
    double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(entries));
    if (scaled && config.rope_scaling) frequency = stretched(frequency, *config.rope_scaling);
    if (scaled && !divisors.empty()) frequency /= divisors[i];
    frequencies.data_ptr<double>()[i] = frequency;
  }
  auto const angles = at::outer(at::arange(config.positions, at::kDouble), frequencies).to(at::kFloat);
  auto const both = at::cat({angles, angles}, 1);
  double const amplitude = scaled ? config.rope_amplitude : 1;
  cosines_ = (both.cos() * amplitude).to(placement.device, placement.dtype);
  sines_ = (both.sin() * amplitude).to(placement.device, placement.dtype);
}

at::Tensor Rotary::rotate(at::Tensor const& heads, at::Tensor const& positions) const {
  auto const cosine = cosines_.index_select(0, positions).unsqueeze(1), sine = sines_.index_select(0, positions).unsqueeze(1);
  auto const entries = cosines_.size(1), kept = heads.size(2) - entries;
  if (kept == 0) return rotate_halves(heads, cosine, sine);
  return at::cat({rotate_halves(heads.narrow(2, 0, entries), cosine, sine), heads.narrow(2, entries, kept)}, 2);
}

}  // namespace onemask
