#pragma once

#include "model/linear.hpp"
#include <onemask/model/causal_lm.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace onemask {

/// A layer of a decoder with rotated heads, a gated MLP and RMSNorm: Llama and all that descend from it. A norm is undefined
/// where the family has none.
struct GatedBlock {
  Linear query, key, value, attention_out;
  Linear gate, up, down;
  at::Tensor before_attention, after_attention, before_mlp, after_mlp;  ///< scales of norms, [hidden]
  at::Tensor query_norm, key_norm;  ///< of each head by itself [head_dim], or of all heads as one vector [heads * head_dim]
};

/// How the stored scale of a norm is used.
enum class NormScale {
  rounded,  ///< in the model's type (Llama)
  wide,     ///< in float32 (OLMo 2)
  plus_one  ///< in float32, and 1 is added to it (Gemma)
};

/// NAME.weight, [size], as `scale` uses it.
at::Tensor read_norm(WeightReader const& weights, std::string const& name, std::int64_t size, NormScale scale);

/// Takes the weights of one layer, whose names follow the layer's own.
class GatedLayerReader {
 public:
  GatedLayerReader(WeightReader const& weights, ModelConfig const& config, std::string scope, NormScale scale)
      : weights_(weights), config_(config), scope_(std::move(scope) + "."), scale_(scale) {}

  at::Tensor norm(std::string const& name, std::int64_t size) const { return read_norm(weights_, scope_ + name, size, scale_); }
  /// As WeightReader::linear.
  Linear linear(std::string const& name, at::IntArrayRef shape, bool bias) const {
    return weights_.linear(scope_ + name, shape, bias);
  }
  /// A block with the matrices of attention and MLP as Llama names and shapes them, and without norms.
  GatedBlock with_matrices() const;

 private:
  WeightReader const& weights_;
  ModelConfig const& config_;
  std::string scope_;
  NormScale scale_;
};

/// Embedding, final norm and head as Llama names them, around the layers that `read` gives. Embeddings are multiplied by
/// `embedding_scale`, rounded to the model's type.
std::unique_ptr<CausalLM> make_gated_decoder(Checkpoint const& checkpoint, Placement placement, NormScale scale,
                                             double embedding_scale,
                                             std::function<GatedBlock(GatedLayerReader const& layer)> const& read);

}  // namespace onemask
