#pragma once

#include <onemask/checkpoint/config.hpp>

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

namespace onemask {

/// What every block reads beside the residual stream.
struct BlockInputs {
  std::int64_t rows, width;
  at::Tensor mask;       ///< [rows, 1, width, width], added to attention scores
  at::Tensor positions;  ///< [rows * width] int64
};

/// The residual stream [rows * width, hidden] behind all blocks. `weights` are those of the blocks in the order of `weights_of`,
/// and may go on. Gradients flow into the weights that ask for them.
at::Tensor run_gpt2_blocks(ModelConfig const& config, std::span<at::Tensor const> weights, at::Tensor residual,
                           BlockInputs const& inputs);
at::Tensor run_llama_blocks(ModelConfig const& config, std::span<at::Tensor const> weights, at::Tensor residual,
                            BlockInputs const& inputs);

/// Its mean square is taken in float32 whatever the type.
at::Tensor rms_norm(ModelConfig const& config, at::Tensor const& x, at::Tensor const& scale);

}  // namespace onemask
