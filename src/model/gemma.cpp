#include "model/families.hpp"
#include "model/gated_decoder.hpp"

#include <cmath>

namespace onemask {

/// Gemma 2 (arXiv 2408.00118) and the text model of Gemma 3 (arXiv 2503.19786): norms before and behind attention and MLP, large
/// embeddings. Gemma 3 has norms on each head's queries and keys, Gemma 2 caps scores and logits.
std::unique_ptr<CausalLM> make_gemma(Checkpoint const& checkpoint, Placement placement) {
  auto const& config = checkpoint.config();
  WeightReader const weights(checkpoint, placement);
  auto const embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  return make_gated_decoder(checkpoint, placement, NormScale::plus_one, embedding_scale, [&](std::string const& scope) {
    GatedBlock block;
    read_matrices(weights, config, scope, block);
    auto const norm = [&](std::string const& name, std::int64_t size) {
      return read_norm(weights, scope + name, size, NormScale::plus_one);
    };
    block.before_attention = norm(".input_layernorm", config.hidden);
    block.after_attention = norm(".post_attention_layernorm", config.hidden);
    block.before_mlp = norm(".pre_feedforward_layernorm", config.hidden);
    block.after_mlp = norm(".post_feedforward_layernorm", config.hidden);
    if (config.family != "gemma2") {
      block.query_norm = norm(".self_attn.q_norm", config.head_dim);
      block.key_norm = norm(".self_attn.k_norm", config.head_dim);
    }
    return block;
  });
}

}  // namespace onemask
