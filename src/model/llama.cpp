#include "model/families.hpp"
#include "model/gated_decoder.hpp"

namespace onemask {

std::unique_ptr<CausalLM> make_llama(Checkpoint const& checkpoint, Placement placement) {
  auto const& config = checkpoint.config();
  return make_gated_decoder(checkpoint, placement, NormScale::rounded, 1, [&](GatedLayerReader const& layer) {
    auto block = layer.with_matrices();
    block.before_attention = layer.norm("input_layernorm", config.hidden);
    block.before_mlp = layer.norm("post_attention_layernorm", config.hidden);
    return block;
  });
}

}  // namespace onemask
