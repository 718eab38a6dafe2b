#include "model/families.hpp"
#include "model/gated_decoder.hpp"

namespace onemask {

/// Llama whose files have queries, keys and values in one matrix, and gate and up projection in another (arXiv 2404.14219). The
/// parts are views of them.
std::unique_ptr<CausalLM> make_phi3(Checkpoint const& checkpoint, Placement placement) {
  auto const& c = checkpoint.config();
  WeightReader const weights(checkpoint, placement);
  return make_gated_decoder(checkpoint, placement, NormScale::rounded, 1, [&](std::string const& scope) {
    GatedBlock block;
    auto const queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
    auto const attention = weights(scope + ".self_attn.qkv_proj.weight", {queries + 2 * keys, c.hidden});
    block.query.weight = attention.narrow(0, 0, queries);
    block.key.weight = attention.narrow(0, queries, keys);
    block.value.weight = attention.narrow(0, queries + keys, keys);
    block.attention_out = weights.linear(scope + ".self_attn.o_proj", {c.hidden, queries}, false);
    auto const mlp = weights(scope + ".mlp.gate_up_proj.weight", {2 * c.inner, c.hidden});
    block.gate.weight = mlp.narrow(0, 0, c.inner);
    block.up.weight = mlp.narrow(0, c.inner, c.inner);
    block.down = weights.linear(scope + ".mlp.down_proj", {c.hidden, c.inner}, false);
    block.before_attention = read_norm(weights, scope + ".input_layernorm", c.hidden, NormScale::rounded);
    block.before_mlp = read_norm(weights, scope + ".post_attention_layernorm", c.hidden, NormScale::rounded);
    return block;
  });
}

}  // namespace onemask
