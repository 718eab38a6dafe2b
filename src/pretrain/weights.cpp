#include "pretrain/weights.hpp"

#include <onemask/core/random.hpp>

#include <cmath>
#include <functional>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/core.h>

namespace onemask {
namespace {

using Kind = Weight::Kind;
using Shape = std::vector<std::int64_t>;

constexpr double usual_deviation = 0.02;

void add_gpt2(ModelConfig const& c, double residual, std::vector<Weight>& weights) {
  auto const affine = [&](std::string const& name, std::int64_t in, std::int64_t out, double deviation) {
    weights.push_back({name + ".weight", {in, out}, Kind::matrix, false, deviation});
    weights.push_back({name + ".bias", {out}, Kind::bias, false, 0});
  };
  auto const norm = [&](std::string const& name) {
    weights.push_back({name + ".weight", {c.hidden}, Kind::norm, false, 0});
    weights.push_back({name + ".bias", {c.hidden}, Kind::norm_bias, false, 0});
  };
  weights.push_back({"transformer.wte.weight", {c.vocabulary, c.hidden}, Kind::embedding, true, usual_deviation});
  weights.push_back({"transformer.wpe.weight", {c.positions, c.hidden}, Kind::positions, true, usual_deviation / 2});
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    auto const scope = fmt::format("transformer.h.{}", layer);
    norm(scope + ".ln_1");
    affine(scope + ".attn.c_attn", c.hidden, 3 * c.hidden, usual_deviation);
    affine(scope + ".attn.c_proj", c.hidden, c.hidden, residual);
    norm(scope + ".ln_2");
    affine(scope + ".mlp.c_fc", c.hidden, c.inner, usual_deviation);
    affine(scope + ".mlp.c_proj", c.inner, c.hidden, residual);
  }
  norm("transformer.ln_f");
}

void add_llama(ModelConfig const& c, double residual, std::vector<Weight>& weights) {
  auto const linear = [&](std::string const& name, std::int64_t out, std::int64_t in, double deviation) {
    weights.push_back({name + ".weight", {out, in}, Kind::matrix, true, deviation});
  };
  auto const norm = [&](std::string const& name) { weights.push_back({name + ".weight", {c.hidden}, Kind::norm, false, 0}); };
  auto const keys = c.kv_heads * c.head_dim;
  weights.push_back({"model.embed_tokens.weight", {c.vocabulary, c.hidden}, Kind::embedding, true, usual_deviation});
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    auto const scope = fmt::format("model.layers.{}", layer);
    norm(scope + ".input_layernorm");
    linear(scope + ".self_attn.q_proj", c.hidden, c.hidden, usual_deviation);
    linear(scope + ".self_attn.k_proj", keys, c.hidden, usual_deviation);
    linear(scope + ".self_attn.v_proj", keys, c.hidden, usual_deviation);
    linear(scope + ".self_attn.o_proj", c.hidden, c.hidden, residual);
    norm(scope + ".post_attention_layernorm");
    linear(scope + ".mlp.gate_proj", c.inner, c.hidden, usual_deviation);
    linear(scope + ".mlp.up_proj", c.inner, c.hidden, usual_deviation);
    linear(scope + ".mlp.down_proj", c.hidden, c.inner, residual);
  }
  norm("model.norm");
}

}  // namespace

std::vector<Weight> weights_of(ModelConfig const& config) {
  std::vector<Weight> weights;
  double const residual = usual_deviation / std::sqrt(2.0 * static_cast<double>(config.layers));
  (config.family == "gpt2" ? add_gpt2 : add_llama)(config, residual, weights);
  std::int64_t offset = 0;
  for (auto& weight : weights) {
    weight.offset = offset;
    weight.count = std::accumulate(weight.shape.begin(), weight.shape.end(), std::int64_t{1}, std::multiplies<>());
    offset += weight.count;
  }
  return weights;
}

at::Tensor initial_weights(std::vector<Weight> const& weights, std::uint64_t seed) {
  auto flat = at::zeros({weights.back().offset + weights.back().count}, at::kFloat);
  for (std::size_t index = 0; index < weights.size(); ++index) {
    auto const& weight = weights[index];
    if (weight.kind == Kind::norm) flat.narrow(0, weight.offset, weight.count).fill_(1);
    if (weight.deviation == 0) continue;
    RandomStream random({seed, stream::weight_init, index});
    auto* const values = flat.mutable_data_ptr<float>() + weight.offset;
    for (std::int64_t i = 0; i < weight.count; ++i) values[i] = static_cast<float>(weight.deviation * random.normal());
  }
  return flat;
}

at::Tensor view_of(at::Tensor const& flat, Weight const& weight) {
  return flat.narrow(0, weight.offset, weight.count).view(weight.shape);
}

}  // namespace onemask
