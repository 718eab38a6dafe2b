#include "model/detail/activation.hpp"
#include "model/families.hpp"
#include "model/linear.hpp"
#include "model/rotary.hpp"
#include <onemask/model/layers.hpp>

#include <cmath>
#include <vector>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Matrices are [out, in].
struct GptNeoXBlock {
  Linear norm1, norm2;
  Linear query, key, value, attention_out;
  Linear up, down;
};

/// GPT-NeoX and Pythia (arXiv 2204.06745): attention and MLP of a layer read the residual stream before it, each through a norm
/// of its own, unless the configuration has them one after the other.
class GptNeoX final : public CausalLM {
 public:
  GptNeoX(Checkpoint const& checkpoint, Placement placement)
      : CausalLM(checkpoint.config(), placement, checkpoint.fingerprint()),
        rotary_(config(), config().rope_theta, /*scaled=*/true, placement) {
    auto const& c = config();
    WeightReader const weights(checkpoint, placement);
    tokens_ = weights("gpt_neox.embed_in.weight", {c.vocabulary, c.hidden});
    norm_ = weights.linear("gpt_neox.final_layer_norm", {c.hidden}, true);
    head_ = c.tied_head ? tokens_ : weights("embed_out.weight", {c.vocabulary, c.hidden});
    for (std::int64_t layer = 0; layer < c.layers; ++layer) {
      auto const scope = neox_block_name(layer);
      GptNeoXBlock block;
      block.norm1 = weights.linear(scope + ".input_layernorm", {c.hidden}, true);
      block.norm2 = weights.linear(scope + ".post_attention_layernorm", {c.hidden}, true);
      auto const joint = weights.linear(scope + ".attention.query_key_value", {3 * c.hidden, c.hidden}, c.attention_bias);
      block.query = part(joint, 0);
      block.key = part(joint, 1);
      block.value = part(joint, 2);
      block.attention_out = weights.linear(scope + ".attention.dense", {c.hidden, c.hidden}, c.attention_bias);
      block.up = weights.linear(scope + ".mlp.dense_h_to_4h", {c.inner, c.hidden}, true);
      block.down = weights.linear(scope + ".mlp.dense_4h_to_h", {c.hidden, c.inner}, true);
      blocks_.push_back(std::move(block));
    }
  }

  at::Tensor token_embedding(at::Tensor const& ids) const override { return tokens_.index_select(0, ids); }

  at::Tensor attention_input(int layer, at::Tensor const& residual) const override {
    return normed(blocks_[layer].norm1, residual);
  }

  at::Tensor queries(int layer, at::Tensor const& input, at::Tensor const& positions) const override {
    return rotary_.rotate(heads(blocks_[layer].query, input), positions) *
           (1.0 / std::sqrt(static_cast<double>(config().head_dim)));
  }

  KeyValue keys_values(int layer, at::Tensor const& input, at::Tensor const& positions) const override {
    return {rotary_.rotate(heads(blocks_[layer].key, input), positions), heads(blocks_[layer].value, input)};
  }

  Linear attention_projection(int layer) const override { return blocks_[layer].attention_out; }

  at::Tensor mlp_key(int layer, at::Tensor const& before, at::Tensor const& after) const override {
    auto const& block = blocks_[layer];
    auto const input = normed(block.norm2, config().parallel_residual ? before : after);
    return detail::activate(config().activation, block.up(input));
  }

  Norm final_norm() const override { return {norm_.weight, norm_.bias, config().norm_epsilon}; }
  at::Tensor head() const override { return head_; }

 private:
  std::unique_ptr<CausalLM> copy() const override { return std::make_unique<GptNeoX>(*this); }

  Projection stored_projection(int layer) const override {
    auto const& down = blocks_[layer].down;
    return {neox_block_name(layer) + ".mlp.dense_4h_to_h.weight", down.weight, down.bias};
  }

  static std::string neox_block_name(std::int64_t layer) { return fmt::format("gpt_neox.layers.{}", layer); }

  /// Queries, keys or values of all heads: the files have those of a head one after the other.
  Linear part(Linear const& joint, std::int64_t which) const {
    auto const of_heads = [&](at::Tensor const& rows) {
      return rows.defined()
                 ? rows.unflatten(0, {config().heads, 3, config().head_dim}).select(1, which).flatten(0, 1).contiguous()
                 : rows;
    };
    return {of_heads(joint.weight), of_heads(joint.bias)};
  }

  at::Tensor normed(Linear const& norm, at::Tensor const& x) const {
    return layer_norm(x, norm.weight, norm.bias, config().norm_epsilon);
  }

  at::Tensor heads(Linear const& matrix, at::Tensor const& input) const {
    return matrix(input).view({-1, config().heads, config().head_dim});
  }

  Rotary rotary_;
  at::Tensor tokens_, head_;
  Linear norm_;
  std::vector<GptNeoXBlock> blocks_;
};

}  // namespace

std::unique_ptr<CausalLM> make_gpt_neox(Checkpoint const& checkpoint, Placement placement) {
  return std::make_unique<GptNeoX>(checkpoint, placement);
}

}  // namespace onemask
