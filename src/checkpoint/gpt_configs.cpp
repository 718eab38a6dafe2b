#include "checkpoint/read_config.hpp"

#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

void read_heads(ConfigFields const& fields, CommonNames const& names, ModelConfig& config) {
  config.kv_heads = config.heads;
  if (config.hidden % config.heads != 0)
    fields.refuse(names.heads, fmt::format("it must divide {}, which is {}", names.hidden, config.hidden));
  config.head_dim = config.hidden / config.heads;
}

/// Of an MLP with one first projection.
std::string read_plain_activation(ConfigFields const& fields, std::string const& field, std::string const& usual) {
  return fields.activation(field, usual,
                           {{"gelu_new", "gelu_new"},
                            {"gelu_fast", "gelu_new"},
                            {"gelu_pytorch_tanh", "gelu_new"},
                            {"gelu", "gelu"},
                            {"relu", "relu"}});
}

/// The names that transformers takes for GPT-2's, too (attribute_map).
ConfigFields with_own_names(ConfigFields const& fields) {
  static constexpr std::pair<char const*, char const*> others[] = {{"n_layer", "num_hidden_layers"},
                                                                   {"n_embd", "hidden_size"},
                                                                   {"n_head", "num_attention_heads"},
                                                                   {"n_positions", "max_position_embeddings"}};
  auto named = nlohmann::json::object();
  for (auto const& [own, other] : others) {
    if (auto const* value = fields.find(other)) named[own] = *value;
  }
  return fields.over(std::move(named));
}

/// What the files of GPT-2 and GPT-J have in common.
ModelConfig read_gpt(ConfigFields const& original, std::string const& family) {
  constexpr CommonNames names{"n_layer", "n_embd", "n_head", "n_positions", "layer_norm_epsilon", 1e-5};
  auto const fields = with_own_names(original);
  auto config = read_common(fields, family, names);
  read_heads(fields, names, config);
  config.inner = fields.size("n_inner", widest, 4 * config.hidden);
  config.activation = read_plain_activation(fields, "activation_function", "gelu_new");
  return config;
}

}  // namespace

ModelConfig read_gpt2(ConfigFields const& fields) {
  auto config = read_gpt(fields, "gpt2");
  config.tied_head = fields.flag("tie_word_embeddings", true);
  config.scale_attention = fields.flag("scale_attn_weights", true);
  config.scale_attention_by_inverse_layer = fields.flag("scale_attn_by_inverse_layer_idx", false);
  if (fields.flag("add_cross_attention", false))
    fields.refuse("add_cross_attention", "only models without cross-attention are supported");
  return config;
}

ModelConfig read_gptj(ConfigFields const& fields) {
  auto config = read_gpt(fields, "gptj");
  config.tied_head = fields.flag("tie_word_embeddings", false);
  config.rotary_dim = fields.size("rotary_dim", config.head_dim);
  if (config.rotary_dim % 2 != 0) fields.refuse("rotary_dim", "it must be even, because rotary embeddings rotate pairs");
  return config;
}

ModelConfig read_gpt_neox(ConfigFields const& fields) {
  constexpr CommonNames names{"num_hidden_layers",       "hidden_size",    "num_attention_heads",
                              "max_position_embeddings", "layer_norm_eps", 1e-5};
  auto config = read_common(fields, "gpt_neox", names);
  read_heads(fields, names, config);
  config.inner = fields.size("intermediate_size", widest);
  config.activation = read_plain_activation(fields, "hidden_act", "gelu");
  config.tied_head = fields.flag("tie_word_embeddings", false);
  config.attention_bias = fields.flag("attention_bias", true);
  config.parallel_residual = fields.flag("use_parallel_residual", true);
  read_rope(fields, {.theta = "rotary_emb_base", .share = "rotary_pct", .usual_share = 0.25}, config);
  return config;
}

}  // namespace onemask
