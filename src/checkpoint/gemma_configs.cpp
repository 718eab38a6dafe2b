#include "checkpoint/read_config.hpp"

namespace onemask {
namespace {

/// The window of all layers but every `period`-th.
void read_local_layers(ConfigFields const& fields, std::int64_t period, ModelConfig& config) {
  std::vector<bool> usual;
  for (std::int64_t layer = 1; layer <= config.layers; ++layer) usual.push_back(layer % period != 0);
  auto const window =
      fields.is_null("sliding_window") ? std::nullopt : std::optional(fields.size("sliding_window", most_positions, 4096));
  read_windows(fields, window, usual, config);
}

/// What the files of Gemma 2 and 3 have in common, but for layers and positions.
ModelConfig read_gemma(ConfigFields const& fields, std::string const& family) {
  auto config = read_llama_like(fields, family, 256);
  config.activation = fields.activation("hidden_activation", "gelu_pytorch_tanh",
                                        {{"gelu_pytorch_tanh", "gelu_new"}, {"gelu_new", "gelu_new"}, {"gelu", "gelu"}});
  config.tied_head = fields.flag("tie_word_embeddings", true);
  config.attention_bias = fields.flag("attention_bias", false);
  config.query_scalar = fields.positive("query_pre_attn_scalar", 256);
  config.mlp_norm = true;
  if (fields.flag("use_bidirectional_attention", false))
    fields.refuse("use_bidirectional_attention", "only models that attend to earlier positions (false) are supported");
  return config;
}

/// A cap of Gemma 2 that a file may switch off with null.
std::optional<double> read_cap(ConfigFields const& fields, std::string const& field, double usual) {
  return fields.is_null(field) ? std::nullopt : std::optional(fields.positive(field, usual));
}

}  // namespace

ModelConfig read_gemma2(ConfigFields const& fields) {
  auto config = read_gemma(fields, "gemma2");
  config.score_cap = read_cap(fields, "attn_logit_softcapping", 50);
  config.logit_cap = read_cap(fields, "final_logit_softcapping", 30);
  read_rope(fields, {}, config);
  read_local_layers(fields, 2, config);
  return config;
}

ModelConfig read_gemma3_text(ConfigFields const& original) {
  // The text part of a folder with images names only what differs from these.
  auto const fields = original.over({{"num_hidden_layers", 26},
                                     {"hidden_size", 2304},
                                     {"intermediate_size", 9216},
                                     {"num_attention_heads", 8},
                                     {"num_key_value_heads", 4},
                                     {"vocab_size", 262208},
                                     {"max_position_embeddings", 131072}});
  auto config = read_gemma(fields, "gemma3_text");
  if (fields.find("attn_logit_softcapping"))
    fields.refuse("attn_logit_softcapping", "models of Gemma 3 do not cap their attention scores, so it must be null");
  config.logit_cap = fields.positive_or_none("final_logit_softcapping");
  read_local_layers(fields, fields.size("sliding_window_pattern", most_layers, 6), config);
  config.rope_theta = fields.positive("rope_theta", 1e6);
  config.local_rope_theta = fields.positive("rope_local_base_freq", 10000);
  auto const newer = fields.inside("rope_parameters");
  auto const rope = rope_object(fields, newer ? newer->inside("full_attention") : std::nullopt);
  if (rope) config.rope_theta = rope->positive("rope_theta", config.rope_theta);
  if (newer) {
    if (auto const local = newer->inside("sliding_attention")) {
      config.local_rope_theta = local->positive("rope_theta", config.local_rope_theta);
      if (local->text("rope_type", "default") != "default")
        local->refuse("rope_type", "the frequencies of layers with a window are not scaled, so it must be default");
    }
  }
  if (rope) read_rope_scaling(fields, *rope, false, config);
  return config;
}

ModelConfig read_gemma3(ConfigFields const& fields) {
  auto const text = fields.inside("text_config");
  if (!text) fields.refuse("text_config", "a model of Gemma 3 that reads images has the sizes of its text model there");
  auto const own = fields.flag("tie_word_embeddings", true);
  if (own != text->flag("tie_word_embeddings", own))
    fields.refuse("tie_word_embeddings", "the object 'text_config' says the opposite");
  auto config = read_gemma3_text(text->over({{"tie_word_embeddings", own}}));
  config.module_prefix = "model.language_model.";
  return config;
}

}  // namespace onemask
