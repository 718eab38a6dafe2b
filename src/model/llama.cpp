#include "model/families.hpp"
#include "model/gated_decoder.hpp"

namespace onemask {

std::unique_ptr<CausalLM> make_llama(Checkpoint const& checkpoint, Placement placement) {
  auto const& config = checkpoint.config();
  WeightReader const weights(checkpoint, placement);
  return make_gated_decoder(checkpoint, placement, NormScale::rounded, 1, [&](std::string const& scope) {
    GatedBlock block;
    read_matrices(weights, config, scope, block);
    block.before_attention = read_norm(weights, scope + ".input_layernorm", config.hidden, NormScale::rounded);
    block.before_mlp = read_norm(weights, scope + ".post_attention_layernorm", config.hidden, NormScale::rounded);
    return block;
  });
}

}  // namespace onemask
