#include "model/families.hpp"
#include "model/gated_decoder.hpp"

#include <cmath>

namespace onemask {

/// Gemma 2 (arXiv 2408.00118) and the text model of Gemma 3 (arXiv 2503.19786): norms before and behind attention and MLP, large
/// embeddings. Gemma 3 has norms on each head's queries and keys, Gemma 2 caps scores and logits.
std::unique_ptr<CausalLM> make_gemma(Checkpoint const& checkpoint, Placement placement) {
  auto const& config = checkpoint.config();
  auto const embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  return make_gated_decoder(checkpoint, placement, NormScale::plus_one, embedding_scale, [&](GatedLayerReader const& layer) {
    auto block = layer.with_matrices();
    block.before_attention = layer.norm("input_layernorm", config.hidden);
    block.after_attention = layer.norm("post_attention_layernorm", config.hidden);
    block.before_mlp = layer.norm("pre_feedforward_layernorm", config.hidden);
    block.after_mlp = layer.norm("post_feedforward_layernorm", config.hidden);
    if (config.family != "gemma2") {
      block.query_norm = layer.norm("self_attn.q_norm", config.head_dim);
      block.key_norm = layer.norm("self_attn.k_norm", config.head_dim);
    }
    return block;
  });
}

}  // namespace onemask
