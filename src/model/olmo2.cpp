#include "model/families.hpp"
#include "model/gated_decoder.hpp"

namespace onemask {

/// Norms stand behind attention and MLP and not before them, and on queries and keys of all heads as one vector (arXiv
/// 2501.00656, section 3).
std::unique_ptr<CausalLM> make_olmo2(Checkpoint const& checkpoint, Placement placement) {
  auto const& config = checkpoint.config();
  return make_gated_decoder(checkpoint, placement, NormScale::wide, 1, [&](GatedLayerReader const& layer) {
    auto block = layer.with_matrices();
    block.after_attention = layer.norm("post_attention_layernorm", config.hidden);
    block.after_mlp = layer.norm("post_feedforward_layernorm", config.hidden);
    block.query_norm = layer.norm("self_attn.q_norm", config.heads * config.head_dim);
    block.key_norm = layer.norm("self_attn.k_norm", config.kv_heads * config.head_dim);
    return block;
  });
}

}  // namespace onemask
