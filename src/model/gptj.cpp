#include "model/detail/activation.hpp"
#include "model/families.hpp"
#include "model/linear.hpp"
#include <onemask/model/layers.hpp>

#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Matrices are [out, in]. Attention and MLP of a layer both read the same normalised residual stream (Wang & Komatsuzaki 2021).
struct GptJBlock {
  Linear norm;
  at::Tensor query, key, value, attention_out;
  Linear up, down;
};

class GptJ final : public CausalLM {
 public:
  GptJ(Checkpoint const& checkpoint, Placement placement) : CausalLM(checkpoint.config(), placement, checkpoint.fingerprint()) {
    auto const& c = config();
    auto const get = [&](std::string const& name, at::IntArrayRef shape) {
      return checkpoint.tensor(name, shape).to(placement.device, placement.dtype);
    };
    auto const affine = [&](std::string const& name, at::IntArrayRef shape) {
      return Linear{get(name + ".weight", shape), get(name + ".bias", {shape.front()})};
    };
    tokens_ = get("transformer.wte.weight", {c.vocabulary, c.hidden});
    norm_ = affine("transformer.ln_f", {c.hidden});
    head_ = {c.tied_head ? tokens_ : get("lm_head.weight", {c.vocabulary, c.hidden}), get("lm_head.bias", {c.vocabulary})};
    for (std::int64_t layer = 0; layer < c.layers; ++layer) {
      auto const scope = block_name(static_cast<int>(layer));
      auto const square = [&](std::string const& name) { return get(scope + ".attn." + name + ".weight", {c.hidden, c.hidden}); };
      blocks_.push_back({affine(scope + ".ln_1", {c.hidden}), square("q_proj"), square("k_proj"), square("v_proj"),
                         square("out_proj"), affine(scope + ".mlp.fc_in", {c.inner, c.hidden}),
                         affine(scope + ".mlp.fc_out", {c.hidden, c.inner})});
    }
    auto const exponents = at::arange(0, c.rotary_dim, 2, at::kDouble) / static_cast<double>(c.rotary_dim);
    auto const angles = at::outer(at::arange(c.positions, at::kDouble), at::pow(10000.0, exponents).reciprocal()).to(at::kFloat);
    cosines_ = angles.cos().to(placement.device, placement.dtype);
    sines_ = angles.sin().to(placement.device, placement.dtype);
  }

  at::Tensor token_embedding(at::Tensor const& ids) const override { return tokens_.index_select(0, ids); }

  at::Tensor attention_input(int layer, at::Tensor const& residual) const override { return norm(blocks_[layer].norm, residual); }

  at::Tensor queries(int layer, at::Tensor const& input, at::Tensor const& positions) const override {
    return rotate(heads(blocks_[layer].query, input), positions) * (1.0 / std::sqrt(static_cast<double>(config().head_dim)));
  }

  KeyValue keys_values(int layer, at::Tensor const& input, at::Tensor const& positions) const override {
    return {rotate(heads(blocks_[layer].key, input), positions), heads(blocks_[layer].value, input)};
  }

  Linear attention_projection(int layer) const override { return {blocks_[layer].attention_out, {}}; }

  at::Tensor mlp_key(int layer, at::Tensor const& before, at::Tensor const&) const override {
    auto const& block = blocks_[layer];
    return detail::activate(config().activation, at::linear(norm(block.norm, before), block.up.weight, block.up.bias));
  }

  Norm final_norm() const override { return {norm_.weight, norm_.bias, config().norm_epsilon}; }
  at::Tensor head() const override { return head_.weight; }
  at::Tensor head_bias() const override { return head_.bias; }

 private:
  std::unique_ptr<CausalLM> copy() const override { return std::make_unique<GptJ>(*this); }

  Projection stored_projection(int layer) const override {
    auto const& down = blocks_[layer].down;
    return {block_name(layer) + ".mlp.fc_out.weight", down.weight, down.bias};
  }

  static std::string block_name(int layer) { return fmt::format("transformer.h.{}", layer); }

  at::Tensor norm(Linear const& scale, at::Tensor const& x) const {
    return layer_norm(x, scale.weight, scale.bias, config().norm_epsilon);
  }

  at::Tensor heads(at::Tensor const& matrix, at::Tensor const& input) const {
    return at::linear(input, matrix).view({-1, config().heads, config().head_dim});
  }

  /// Rotary position embedding of a head's first rotary_dim entries, on neighbours: (x₀, x₁) -> (x₀ cos - x₁ sin,
  /// x₁ cos + x₀ sin), and so on for every pair (Su et al. 2021, arXiv 2104.09864, equation 34).
  at::Tensor rotate(at::Tensor const& heads, at::Tensor const& positions) const {
    auto const turned = config().rotary_dim;
    auto const pairs = heads.narrow(2, 0, turned).unflatten(2, {turned / 2, 2});
    auto const first = pairs.select(3, 0), second = pairs.select(3, 1);
    auto const cosine = cosines_.index_select(0, positions).unsqueeze(1), sine = sines_.index_select(0, positions).unsqueeze(1);
    auto const rotated = at::stack({first * cosine - second * sine, second * cosine + first * sine}, 3).flatten(2);
    return at::cat({rotated, heads.narrow(2, turned, config().head_dim - turned)}, 2);
  }

  at::Tensor tokens_, cosines_, sines_;
  Linear norm_, head_;
  std::vector<GptJBlock> blocks_;
};

}  // namespace

std::unique_ptr<CausalLM> make_gptj(Checkpoint const& checkpoint, Placement placement) {
  return std::make_unique<GptJ>(checkpoint, placement);
}

}  // namespace onemask
