#include "pretrain/blocks.hpp"

#include "pretrain/gelu.hpp"
#include <onemask/model/layers.hpp>

#include <cmath>

#include <ATen/ATen.h>

namespace onemask {
namespace {

/// softmax(q kᵀ + mask) v per head; q is scaled. All [rows, heads, width, head_dim]; result [rows * width, heads * head_dim].
at::Tensor attend(at::Tensor const& query, at::Tensor const& key, at::Tensor const& value, at::Tensor const& mask) {
  auto const scores = at::matmul(query, key.transpose(2, 3)) + mask;
  auto const context = at::matmul(at::softmax(scores, 3), value);
  return context.transpose(1, 2).reshape({query.size(0) * query.size(2), query.size(1) * query.size(3)});
}

struct Rotation {
  at::Tensor cosines, sines;  ///< [rows * width, 1, head_dim]

  Rotation(ModelConfig const& config, at::Tensor const& positions, at::ScalarType type) {
    auto const half = config.head_dim / 2;
    auto const frequencies = at::pow(config.rope_theta, at::arange(half, at::kDouble) * (-1.0 / static_cast<double>(half)));
    auto const angles = at::outer(positions.to(at::kDouble), frequencies);
    auto const both = at::cat({angles, angles}, 1).unsqueeze(1);
    cosines = both.cos().to(type);
    sines = both.sin().to(type);
  }

  at::Tensor operator()(at::Tensor const& heads) const { return rotate_halves(heads, cosines, sines); }
};

}  // namespace

at::Tensor rms_norm(ModelConfig const& config, at::Tensor const& x, at::Tensor const& scale) {
  auto const wide = x.to(at::kFloat);
  return (wide * at::rsqrt(wide.square().mean(1, true) + config.norm_epsilon) * scale).to(x.scalar_type());
}

at::Tensor run_gpt2_blocks(ModelConfig const& config, std::span<at::Tensor const> weights, at::Tensor residual,
                           BlockInputs const& inputs) {
  auto next = weights.begin();
  auto const affine = [&](at::Tensor const& x) {
    auto const& weight = *next++;
    auto const& bias = *next++;
    return at::addmm(bias, x, weight);
  };
  auto const norm = [&](at::Tensor const& x) {
    auto const& scale = *next++;
    auto const& shift = *next++;
    return layer_norm(x, scale, shift, config.norm_epsilon);
  };
  double const scale = 1 / std::sqrt(static_cast<double>(config.head_dim));
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    auto const joint =
        affine(norm(residual)).view({inputs.rows, inputs.width, 3, config.heads, config.head_dim}).permute({2, 0, 3, 1, 4});
    residual = residual + affine(attend(joint[0] * scale, joint[1], joint[2], inputs.mask));
    residual = residual + affine(fast_gelu(affine(norm(residual))));
  }
  return residual;
}

at::Tensor run_llama_blocks(ModelConfig const& config, std::span<at::Tensor const> weights, at::Tensor residual,
                            BlockInputs const& inputs) {
  auto next = weights.begin();
  auto const linear = [&](at::Tensor const& x) { return at::mm(x, (*next++).t()); };
  Rotation const rotate(config, inputs.positions, residual.scalar_type());
  double const scale = 1 / std::sqrt(static_cast<double>(config.head_dim));
  auto const by_head = [&](at::Tensor const& x) { return x.view({x.size(0), -1, config.head_dim}); };
  auto const spread = [&](at::Tensor const& x) {
    auto const heads = x.view({inputs.rows, inputs.width, x.size(1), config.head_dim}).transpose(1, 2);
    return heads.repeat_interleave(config.heads / x.size(1), 1);
  };
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    auto const input = rms_norm(config, residual, *next++);
    auto const query = spread(rotate(by_head(linear(input))) * scale);
    auto const key = spread(rotate(by_head(linear(input))));
    auto const value = spread(by_head(linear(input)));
    residual = residual + linear(attend(query, key, value, inputs.mask));
    auto const read = rms_norm(config, residual, *next++);
    auto const gate = at::silu(linear(read));
    residual = residual + linear(gate * linear(read));
  }
  return residual;
}

}  // namespace onemask
