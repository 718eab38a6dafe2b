#pragma once

#include <onemask/checkpoint/config.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onemask {

/// A weight of a model in training, under its name and with its shape in Hugging Face's files.
struct Weight {
  enum class Kind {
    embedding,  ///< [vocabulary, hidden], first of all; the unembedding as well
    positions,  ///< [positions, hidden] of GPT-2, second
    matrix,     ///< of a block: orthogonalised updates
    norm,       ///< scale, ones at the beginning; stays float32 in products of lower precision
    norm_bias,  ///< zeros at the beginning
    bias,       ///< zeros at the beginning
  };
  std::string name;
  std::vector<std::int64_t> shape;
  Kind kind;
  bool out_first;                      ///< a matrix is [out, in]; GPT-2's are [in, out]
  double deviation;                    ///< of the normal numbers it begins with
  std::int64_t offset = 0, count = 0;  ///< in the flat tensor of all weights
};

/// The weights of a GPT-2 or Llama with a tied head, in the order that the body's blocks take them.
std::vector<Weight> weights_of(ModelConfig const& config);

/// The first weights, [sum of counts] float32: normal numbers drawn from the seed, residual projections narrower by
/// sqrt(2 layers) (Radford et al. 2019, section 2.3); ones for norms, zeros for biases.
at::Tensor initial_weights(std::vector<Weight> const& weights, std::uint64_t seed);

/// `flat`'s part that is this weight, in its shape; a view.
at::Tensor view_of(at::Tensor const& flat, Weight const& weight);

}  // namespace onemask
