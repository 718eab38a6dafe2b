#pragma once

#include <onemask/checkpoint/config.hpp>
#include <onemask/model/device.hpp>

#include <ATen/core/Tensor.h>

namespace onemask {

/// Rotary position embedding of each head's first entries, in pairs of an entry and the one half of them further on
/// (see rotate_halves).
class Rotary {
 public:
  /// Frequencies theta^(-2i / entries), scaled as the configuration says if `scaled`.
  Rotary(ModelConfig const& config, double theta, bool scaled, Placement placement);

  /// heads [tokens, heads, head_dim] at the given positions [tokens].
  at::Tensor rotate(at::Tensor const& heads, at::Tensor const& positions) const;

 private:
  at::Tensor cosines_, sines_;  ///< [positions, entries that are rotated]
};

}  // namespace onemask
