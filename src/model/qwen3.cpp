#include "model/families.hpp"
#include "model/gated_decoder.hpp"

namespace onemask {

/// Llama with a norm on each head's queries and keys (arXiv 2505.09388, section 2).
std::unique_ptr<CausalLM> make_qwen3(Checkpoint const& checkpoint, Placement placement) {
  auto const& config = checkpoint.config();
  return make_gated_decoder(checkpoint, placement, NormScale::rounded, 1, [&](GatedLayerReader const& layer) {
    auto block = layer.with_matrices();
    block.before_attention = layer.norm("input_layernorm", config.hidden);
    block.before_mlp = layer.norm("post_attention_layernorm", config.hidden);
    block.query_norm = layer.norm("self_attn.q_norm", config.head_dim);
    block.key_norm = layer.norm("self_attn.k_norm", config.head_dim);
    return block;
  });
}

}  // namespace onemask
