#include "model/detail/activation.hpp"
#include "model/families.hpp"
#include "model/linear.hpp"
#include <onemask/model/layers.hpp>

#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

/// GPT-2 keeps its matrices as [in, out] (Conv1D).
struct Gpt2Block {
  Linear norm1, attention, attention_out, norm2, up, down;
  double scale;  ///< of the attention scores
};

at::Tensor apply_conv(Linear const& conv, at::Tensor const& x) {
  return at::addmm(conv.bias, x, conv.weight);
}

class Gpt2 final : public CausalLM {
 public:
  Gpt2(Checkpoint const& checkpoint, Placement placement) : CausalLM(checkpoint.config(), placement, checkpoint.fingerprint()) {
    auto const& c = config();
    auto const get = [&](std::string const& name, at::IntArrayRef shape) {
      return checkpoint.tensor(name, shape).to(placement.device, placement.dtype);
    };
    auto const affine = [&](std::string const& name, at::IntArrayRef shape) {
      return Linear{get(name + ".weight", shape), get(name + ".bias", {shape.back()})};
    };
    tokens_ = get("transformer.wte.weight", {c.vocabulary, c.hidden});
    places_ = get("transformer.wpe.weight", {c.positions, c.hidden});
    norm_ = affine("transformer.ln_f", {c.hidden});
    head_ = c.tied_head ? tokens_ : get("lm_head.weight", {c.vocabulary, c.hidden});
    for (std::int64_t layer = 0; layer < c.layers; ++layer) {
      auto const scope = block_name(static_cast<int>(layer));
      double scale = c.scale_attention ? 1.0 / std::sqrt(static_cast<double>(c.head_dim)) : 1.0;
      if (c.scale_attention_by_inverse_layer) scale /= static_cast<double>(layer + 1);
      blocks_.push_back({affine(scope + ".ln_1", {c.hidden}), affine(scope + ".attn.c_attn", {c.hidden, 3 * c.hidden}),
                         affine(scope + ".attn.c_proj", {c.hidden, c.hidden}), affine(scope + ".ln_2", {c.hidden}),
                         affine(scope + ".mlp.c_fc", {c.hidden, c.inner}), affine(scope + ".mlp.c_proj", {c.inner, c.hidden}),
                         scale});
    }
  }

  at::Tensor token_embedding(at::Tensor const& ids) const override { return tokens_.index_select(0, ids); }
  at::Tensor embed(at::Tensor const& ids, at::Tensor const& positions) const override {
    return token_embedding(ids) + places_.index_select(0, positions);
  }

  at::Tensor attention_input(int layer, at::Tensor const& residual) const override {
    return norm(blocks_[layer].norm1, residual);
  }

  at::Tensor queries(int layer, at::Tensor const& input, at::Tensor const&) const override {
    return attention_part(layer, input, 0, 1).view({-1, config().heads, config().head_dim}) * blocks_[layer].scale;
  }

  KeyValue keys_values(int layer, at::Tensor const& input, at::Tensor const&) const override {
    auto const both = attention_part(layer, input, 1, 2).view({-1, 2, config().heads, config().head_dim});
    return {both.select(1, 0), both.select(1, 1)};
  }

  Linear attention_projection(int layer) const override {
    auto const& out = blocks_[layer].attention_out;
    return {out.weight.t(), out.bias};
  }

  at::Tensor mlp_key(int layer, at::Tensor const&, at::Tensor const& after) const override {
    auto const& block = blocks_[layer];
    return detail::activate(config().activation, apply_conv(block.up, norm(block.norm2, after)));
  }

  Norm final_norm() const override { return {norm_.weight, norm_.bias, config().norm_epsilon}; }
  at::Tensor head() const override { return head_; }

 private:
  std::unique_ptr<CausalLM> copy() const override { return std::make_unique<Gpt2>(*this); }

  Projection stored_projection(int layer) const override {
    auto const& down = blocks_[layer].down;
    return {block_name(layer) + ".mlp.c_proj.weight", down.weight.t(), down.bias};
  }

  static std::string block_name(int layer) { return fmt::format("transformer.h.{}", layer); }

  at::Tensor norm(Linear const& scale, at::Tensor const& x) const {
    return layer_norm(x, scale.weight, scale.bias, config().norm_epsilon);
  }

  /// Columns of the joint query-key-value matrix, in units of the hidden size.
  at::Tensor attention_part(int layer, at::Tensor const& input, std::int64_t first, std::int64_t count) const {
    auto const& joint = blocks_[layer].attention;
    auto const d = config().hidden;
    return at::addmm(joint.bias.narrow(0, first * d, count * d), input, joint.weight.narrow(1, first * d, count * d));
  }

  at::Tensor tokens_, places_, head_;
  Linear norm_;
  std::vector<Gpt2Block> blocks_;
};

}  // namespace

std::unique_ptr<CausalLM> make_gpt2(Checkpoint const& checkpoint, Placement placement) {
  return std::make_unique<Gpt2>(checkpoint, placement);
}

}  // namespace onemask
