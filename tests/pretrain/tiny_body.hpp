#pragma once

#include "pretrain/body.hpp"
#include "support/tiny_model.hpp"

#include <string>

namespace onemask::test {

/// GPT-2 with 2 heads, or Llama with 4 heads on 2 heads of keys and values: 2 layers, 16 wide, 48 positions, 60 tokens.
inline ModelConfig tiny_config(std::string const& family) {
  ModelConfig config{};
  config.family = family;
  config.layers = 2;
  config.hidden = 16;
  config.positions = 48;
  config.vocabulary = 60;
  config.norm_epsilon = 1e-5;
  config.tied_head = true;
  config.bos = config.eos = 59;
  bool const gpt2 = family == "gpt2";
  config.heads = gpt2 ? 2 : 4;
  config.kv_heads = 2;
  config.head_dim = config.hidden / config.heads;
  config.inner = gpt2 ? 64 : 40;
  config.activation = gpt2 ? "gelu_new" : "silu";
  config.gated = !gpt2;
  if (!gpt2) config.rope_theta = 10'000;
  return config;
}

/// Weights far from where a training begins, so that nothing is nearly zero or one.
inline at::Tensor random_weights(std::vector<Weight> const& weights, std::uint64_t seed) {
  auto const flat = initial_weights(weights, seed);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    view_of(flat, weights[i]).add_(random_tensor(weights[i].shape, 100 * seed + i, 0.25));
  }
  return flat;
}

/// `count` tokens of the tiny vocabulary.
inline std::vector<std::int64_t> tiny_ids(std::size_t count, std::uint64_t seed) {
  auto ids = random_ids(count, seed);
  for (auto& id : ids) id %= 60;
  return ids;
}

}  // namespace onemask::test
