#include "model/families.hpp"
#include "model/gated_decoder.hpp"

namespace onemask {

/// Llama whose files have queries, keys and values in one matrix, and gate and up projection in another (arXiv 2404.14219). The
/// parts are views of them.
std::unique_ptr<CausalLM> make_phi3(Checkpoint const& checkpoint, Placement placement) {
  auto const& c = checkpoint.config();
  return make_gated_decoder(checkpoint, placement, NormScale::rounded, 1, [&](GatedLayerReader const& layer) {
    GatedBlock block;
    auto const queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
    auto const attention = layer.linear("self_attn.qkv_proj", {queries + 2 * keys, c.hidden}, false).weight;
    block.query.weight = attention.narrow(0, 0, queries);
    block.key.weight = attention.narrow(0, queries, keys);
    block.value.weight = attention.narrow(0, queries + keys, keys);
    block.attention_out = layer.linear("self_attn.o_proj", {c.hidden, queries}, false);
    auto const mlp = layer.linear("mlp.gate_up_proj", {2 * c.inner, c.hidden}, false).weight;
    block.gate.weight = mlp.narrow(0, 0, c.inner);
    block.up.weight = mlp.narrow(0, c.inner, c.inner);
    block.down = layer.linear("mlp.down_proj", {c.hidden, c.inner}, false);
    block.before_attention = layer.norm("input_layernorm", c.hidden);
    block.before_mlp = layer.norm("post_attention_layernorm", c.hidden);
    return block;
  });
}

}  // namespace onemask
