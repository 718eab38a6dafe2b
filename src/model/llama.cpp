#include "model/families.hpp"
#include <onemask/model/layers.hpp>

#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

/// All matrices [out, in]; biases undefined where the configuration has none.
struct LlamaBlock {
  at::Tensor norm1, norm2;
  Linear query, key, value, attention_out, gate, up, down;
};

at::Tensor apply(Linear const& linear, at::Tensor const& x) {
  return at::linear(x, linear.weight, linear.bias);
}

/// Inverse wavelengths of the rotary embedding, [head_dim / 2]; with Llama 3's scaling: low frequencies divided by `factor`, high
/// ones kept, a linear passage between.
at::Tensor rotary_frequencies(ModelConfig const& config) {
  auto const half = config.head_dim / 2;
  auto frequencies = at::empty({half}, at::kDouble);
  auto* values = frequencies.data_ptr<double>();
  for (std::int64_t i = 0; i < half; ++i) {
    double f = std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
    if (config.rope_scaling) {
      auto const& s = *config.rope_scaling;
      double const turns = static_cast<double>(s.original_positions) * f / (2 * M_PI);
      double const kept = (turns - s.low_frequency_factor) / (s.high_frequency_factor - s.low_frequency_factor);
      if (turns < s.low_frequency_factor) {
        f /= s.factor;
      } else if (turns <= s.high_frequency_factor) {
        f = (1 - kept) * f / s.factor + kept * f;
      }
    }
    values[i] = f;
  }
  return frequencies;
}

class Llama final : public CausalLM {
 public:
  Llama(Checkpoint const& checkpoint, Placement placement) : CausalLM(checkpoint.config(), placement, checkpoint.fingerprint()) {
    auto const& c = config();
    auto const get = [&](std::string const& name, at::IntArrayRef shape) {
      return checkpoint.tensor(name, shape).to(placement.device, placement.dtype);
    };
    auto const linear = [&](std::string const& name, std::int64_t out, std::int64_t in, bool bias) {
      return Linear{get(name + ".weight", {out, in}), bias ? get(name + ".bias", {out}) : at::Tensor()};
    };
    tokens_ = get("model.embed_tokens.weight", {c.vocabulary, c.hidden});
    norm_ = get("model.norm.weight", {c.hidden});
    head_ = c.tied_head ? tokens_ : get("lm_head.weight", {c.vocabulary, c.hidden});
    auto const queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
    bool const qkv_bias = c.attention_bias || c.qkv_bias;
    for (std::int64_t layer = 0; layer < c.layers; ++layer) {
      auto const scope = block_name(static_cast<int>(layer));
      auto const attention = scope + ".self_attn.", mlp = scope + ".mlp.";
      blocks_.push_back(
          {get(scope + ".input_layernorm.weight", {c.hidden}), get(scope + ".post_attention_layernorm.weight", {c.hidden}),
           linear(attention + "q_proj", queries, c.hidden, qkv_bias), linear(attention + "k_proj", keys, c.hidden, qkv_bias),
           linear(attention + "v_proj", keys, c.hidden, qkv_bias),
           linear(attention + "o_proj", c.hidden, queries, c.attention_bias),
           linear(mlp + "gate_proj", c.inner, c.hidden, c.mlp_bias), linear(mlp + "up_proj", c.inner, c.hidden, c.mlp_bias),
           linear(mlp + "down_proj", c.hidden, c.inner, c.mlp_bias)});
    }
    auto const angles = at::outer(at::arange(c.positions, at::kDouble), rotary_frequencies(c)).to(at::kFloat);
    auto const both = at::cat({angles, angles}, 1);
    cosines_ = both.cos().to(placement.device, placement.dtype);
    sines_ = both.sin().to(placement.device, placement.dtype);
  }

  at::Tensor embed(at::Tensor const& ids, at::Tensor const&) const override { return tokens_.index_select(0, ids); }

  at::Tensor attention_input(int layer, at::Tensor const& residual) const override {
    return norm(blocks_[layer].norm1, residual);
  }

  at::Tensor queries(int layer, at::Tensor const& input, at::Tensor const& positions) const override {
    auto const heads = apply(blocks_[layer].query, input).view({-1, config().heads, config().head_dim});
    return rotate(heads, positions) * (1.0 / std::sqrt(static_cast<double>(config().head_dim)));
  }

  KeyValue keys_values(int layer, at::Tensor const& input, at::Tensor const& positions) const override {
    auto const& block = blocks_[layer];
    auto const key = apply(block.key, input).view({-1, config().kv_heads, config().head_dim});
    return {rotate(key, positions), apply(block.value, input).view({-1, config().kv_heads, config().head_dim})};
  }

  at::Tensor attention_output(int layer, at::Tensor const& context) const override {
    return apply(blocks_[layer].attention_out, context);
  }

  at::Tensor mlp_key(int layer, at::Tensor const&, at::Tensor const& after) const override {
    auto const& block = blocks_[layer];
    auto const input = norm(block.norm2, after);
    return at::silu(apply(block.gate, input)) * apply(block.up, input);
  }

  at::Tensor final_norm(at::Tensor const& residual) const override { return norm(norm_, residual); }
  at::Tensor head() const override { return head_; }

 private:
  std::unique_ptr<CausalLM> copy() const override { return std::make_unique<Llama>(*this); }

  Projection stored_projection(int layer) const override {
    return {block_name(layer) + ".mlp.down_proj.weight", blocks_[layer].down.weight, blocks_[layer].down.bias};
  }

  static std::string block_name(int layer) { return fmt::format("model.layers.{}", layer); }

  /// RMSNorm, its mean square taken in float32 whatever the dtype.
  at::Tensor norm(at::Tensor const& scale, at::Tensor const& x) const {
    auto const wide = x.to(at::kFloat);
    return (wide * at::rsqrt(wide.square().mean(-1, true) + config().norm_epsilon)).to(x.scalar_type()) * scale;
  }

  at::Tensor rotate(at::Tensor const& heads, at::Tensor const& positions) const {
    return rotate_halves(heads, cosines_.index_select(0, positions).unsqueeze(1), sines_.index_select(0, positions).unsqueeze(1));
  }

  at::Tensor tokens_, norm_, head_, cosines_, sines_;
  std::vector<LlamaBlock> blocks_;
};

}  // namespace

std::unique_ptr<CausalLM> make_llama(Checkpoint const& checkpoint, Placement placement) {
  return std::make_unique<Llama>(checkpoint, placement);
}

}  // namespace onemask
