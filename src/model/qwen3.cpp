#include "model/families.hpp"
#include "model/gated_decoder.hpp"

namespace onemask {

/// Llama with a norm on each head's queries and keys (arXiv 2505.09388, section 2).
std::unique_ptr<CausalLM> make_qwen3(Checkpoint const& checkpoint, Placement placement) {
  auto const& config = checkpoint.config();
  WeightReader const weights(checkpoint, placement);
  return make_gated_decoder(checkpoint, placement, NormScale::rounded, 1, [&](std::string const& scope) {
    GatedBlock block;
    read_matrices(weights, config, scope, block);
    auto const norm = [&](std::string const& name, std::int64_t size) {
      return read_norm(weights, scope + name, size, NormScale::rounded);
    };
    block.before_attention = norm(".input_layernorm", config.hidden);
    block.before_mlp = norm(".post_attention_layernorm", config.hidden);
    block.query_norm = norm(".self_attn.q_norm", config.head_dim);
    block.key_norm = norm(".self_attn.k_norm", config.head_dim);
    return block;
  });
}

}  // namespace onemask
