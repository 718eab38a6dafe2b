#include "model/gated_decoder.hpp"

#include "model/detail/activation.hpp"
#include "model/rotary.hpp"
#include <onemask/core/invariant.hpp>
#include <onemask/model/layers.hpp>

#include <cmath>
#include <optional>
#include <vector>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string gated_block_name(std::int64_t layer) {
  return fmt::format("model.layers.{}", layer);
}

class GatedDecoder final : public CausalLM {
 public:
  GatedDecoder(Checkpoint const& checkpoint, Placement placement, NormScale scale, double embedding_scale,
               std::function<GatedBlock(GatedLayerReader const&)> const& read)
      : CausalLM(checkpoint.config(), placement, checkpoint.fingerprint()),
        query_scale_(1.0 / std::sqrt(config().query_scalar > 0 ? config().query_scalar : static_cast<double>(config().head_dim))),
        embedding_scale_(at::scalar_tensor(embedding_scale, placement.dtype).item<double>()),
        rotary_(config(), config().rope_theta, /*scaled=*/true, placement) {
    auto const& c = config();
    WeightReader const weights(checkpoint, placement);
    tokens_ = weights("model.embed_tokens.weight", {c.vocabulary, c.hidden});
    norm_ = read_norm(weights, "model.norm", c.hidden, scale);
    head_ = c.tied_head ? tokens_ : weights("lm_head.weight", {c.vocabulary, c.hidden});
    for (std::int64_t layer = 0; layer < c.layers; ++layer) {
      blocks_.push_back(read(GatedLayerReader(weights, c, gated_block_name(layer), scale)));
    }
    if (c.local_rope_theta > 0) local_rotary_.emplace(c, c.local_rope_theta, /*scaled=*/false, placement);
  }

  at::Tensor token_embedding(at::Tensor const& ids) const override {
    auto const embedded = tokens_.index_select(0, ids);
    return embedding_scale_ == 1 ? embedded : embedded * embedding_scale_;
  }

  at::Tensor attention_input(int layer, at::Tensor const& residual) const override {
    return normed(blocks_[layer].before_attention, residual);
  }

  at::Tensor queries(int layer, at::Tensor const& input, at::Tensor const& positions) const override {
    auto const& block = blocks_[layer];
    return rotary(layer).rotate(heads(block.query, block.query_norm, input), positions) * query_scale_;
  }

  KeyValue keys_values(int layer, at::Tensor const& input, at::Tensor const& positions) const override {
    auto const& block = blocks_[layer];
    return {rotary(layer).rotate(heads(block.key, block.key_norm, input), positions), heads(block.value, {}, input)};
  }

  Linear attention_projection(int layer) const override { return blocks_[layer].attention_out; }
  Norm attention_norm(int layer) const override { return norm_of(blocks_[layer].after_attention); }
  Norm mlp_norm(int layer) const override { return norm_of(blocks_[layer].after_mlp); }

  at::Tensor mlp_key(int layer, at::Tensor const&, at::Tensor const& after) const override {
    auto const& block = blocks_[layer];
    auto const input = normed(block.before_mlp, after);
    return detail::activate(config().activation, block.gate(input)) * block.up(input);
  }

  Norm final_norm() const override { return norm_of(norm_); }
  at::Tensor head() const override { return head_; }

 private:
  std::unique_ptr<CausalLM> copy() const override { return std::make_unique<GatedDecoder>(*this); }

  Projection stored_projection(int layer) const override {
    return {gated_block_name(layer) + ".mlp.down_proj.weight", blocks_[layer].down.weight, blocks_[layer].down.bias};
  }

  Norm norm_of(at::Tensor const& scale) const { return {scale, {}, config().norm_epsilon}; }
  at::Tensor normed(at::Tensor const& scale, at::Tensor const& x) const { return norm_of(scale)(x); }

  at::Tensor heads(Linear const& matrix, at::Tensor const& norm, at::Tensor const& input) const {
    auto const vectors = matrix(input);
    auto const width = config().head_dim;
    bool const joint = norm.defined() && norm.size(0) != width;
    auto const heads = (joint ? normed(norm, vectors) : vectors).view({-1, vectors.size(1) / width, width});
    return joint ? heads : normed(norm, heads);
  }

  Rotary const& rotary(int layer) const { return local_rotary_ && config().has_window(layer) ? *local_rotary_ : rotary_; }

  double query_scale_, embedding_scale_;
  Rotary rotary_;
  std::optional<Rotary> local_rotary_;  ///< of layers with a window, where it differs
  at::Tensor tokens_, norm_, head_;
  std::vector<GatedBlock> blocks_;
};

}  // namespace

at::Tensor read_norm(WeightReader const& weights, std::string const& name, std::int64_t size, NormScale scale) {
  if (scale == NormScale::rounded) return weights(name + ".weight", {size});
  auto const stored = weights.wide(name + ".weight", {size});
  return scale == NormScale::plus_one ? 1 + stored : stored;
}

GatedBlock GatedLayerReader::with_matrices() const {
  auto const& c = config_;
  std::string const attention = "self_attn.", mlp = "mlp.";
  auto const queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
  bool const bias = c.attention_bias || c.qkv_bias;
  GatedBlock block;
  block.query = linear(attention + "q_proj", {queries, c.hidden}, bias);
  block.key = linear(attention + "k_proj", {keys, c.hidden}, bias);
  block.value = linear(attention + "v_proj", {keys, c.hidden}, bias);
  block.attention_out = linear(attention + "o_proj", {c.hidden, queries}, c.attention_bias);
  block.gate = linear(mlp + "gate_proj", {c.inner, c.hidden}, c.mlp_bias);
  block.up = linear(mlp + "up_proj", {c.inner, c.hidden}, c.mlp_bias);
  block.down = linear(mlp + "down_proj", {c.hidden, c.inner}, c.mlp_bias);
  return block;
}

std::unique_ptr<CausalLM> make_gated_decoder(Checkpoint const& checkpoint, Placement placement, NormScale scale,
                                             double embedding_scale,
                                             std::function<GatedBlock(GatedLayerReader const& layer)> const& read) {
  return std::make_unique<GatedDecoder>(checkpoint, placement, scale, embedding_scale, read);
}

}  // namespace onemask
