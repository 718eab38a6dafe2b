#include "checkpoint/read_config.hpp"

#include <algorithm>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string read_silu(ConfigFields const& fields) {
  return fields.activation("hidden_act", "silu", {{"silu", "silu"}, {"swish", "silu"}});
}

/// Whole heads are rotated, the MLP is gated by SiLU, and the head is not tied unless the file says so.
ModelConfig read_llama_kin(ConfigFields const& fields, std::string const& family, std::int64_t head_dim = 0) {
  auto config = read_llama_like(fields, family, head_dim);
  config.activation = read_silu(fields);
  config.tied_head = fields.flag("tie_word_embeddings", false);
  read_rope(fields, {}, config);
  return config;
}

/// Qwen2 and Qwen3: layers from max_window_layers on have a window, if windows are used at all.
void read_upper_windows(ConfigFields const& fields, ModelConfig& config) {
  bool const used = fields.flag("use_sliding_window", false) && !fields.is_null("sliding_window");
  auto const window = used ? std::optional(fields.size("sliding_window", most_positions, 4096)) : std::nullopt;
  auto const* below = fields.find("max_window_layers");
  bool const none_below = below != nullptr && below->is_number_integer() && *below == 0;
  auto const first = none_below ? 0 : fields.size("max_window_layers", most_layers, 28);
  std::vector<bool> usual;
  for (std::int64_t layer = 0; layer < config.layers; ++layer) usual.push_back(used && layer >= first);
  read_windows(fields, window, usual, config);
}

}  // namespace

ModelConfig read_llama_like(ConfigFields const& fields, std::string const& family, std::int64_t head_dim) {
  auto config =
      read_common(fields, family,
                  {"num_hidden_layers", "hidden_size", "num_attention_heads", "max_position_embeddings", "rms_norm_eps", 1e-6});
  config.kv_heads = fields.size("num_key_value_heads", widest, config.heads);
  if (config.heads % config.kv_heads != 0)
    fields.refuse("num_key_value_heads", fmt::format("it must divide num_attention_heads, which is {}", config.heads));
  if (head_dim == 0 && !fields.find("head_dim") && config.hidden % config.heads != 0)
    fields.refuse("num_attention_heads",
                  fmt::format("without 'head_dim' it must divide hidden_size, which is {}", config.hidden));
  config.head_dim = fields.size("head_dim", widest, head_dim > 0 ? head_dim : config.hidden / config.heads);
  if (config.head_dim % 2 != 0)
    fields.refuse("head_dim", fmt::format("rotary embeddings need an even head size, here it is {}", config.head_dim));
  config.inner = fields.size("intermediate_size", widest);
  config.gated = true;
  return config;
}

void read_windows(ConfigFields const& fields, std::optional<std::int64_t> window, std::vector<bool> usual, ModelConfig& config) {
  if (auto const types = fields.texts("layer_types", static_cast<std::size_t>(config.layers))) {
    for (std::size_t layer = 0; layer < types->size(); ++layer) {
      usual[layer] = (*types)[layer] == "sliding_attention";
      if (!usual[layer] && (*types)[layer] != "full_attention")
        fields.refuse("layer_types",
                      fmt::format("supported are full_attention and sliding_attention, not '{}'", (*types)[layer]));
    }
  }
  if (std::count(usual.begin(), usual.end(), true) == 0) return;
  if (!window) fields.refuse("sliding_window", "some layers attend to a window, so it must be a whole number and in use");
  config.sliding_window = window;
  if (std::count(usual.begin(), usual.end(), false) > 0) config.windowed = std::move(usual);
}

ModelConfig read_llama(ConfigFields const& fields) {
  auto config = read_llama_kin(fields, "llama");
  config.attention_bias = fields.flag("attention_bias", false);
  config.mlp_bias = fields.flag("mlp_bias", false);
  return config;
}

ModelConfig read_mistral(ConfigFields const& fields) {
  auto config = read_llama_kin(fields, "mistral");
  // A file that does not speak of the window means 4096; null is how later versions say that there is none.
  if (!fields.is_null("sliding_window")) config.sliding_window = fields.size("sliding_window", most_positions, 4096);
  return config;
}

ModelConfig read_qwen2(ConfigFields const& fields) {
  auto config = read_llama_kin(fields, "qwen2");
  config.qkv_bias = true;
  read_upper_windows(fields, config);
  return config;
}

ModelConfig read_qwen3(ConfigFields const& fields) {
  auto config = read_llama_kin(fields, "qwen3", 128);
  config.attention_bias = fields.flag("attention_bias", false);
  read_upper_windows(fields, config);
  return config;
}

ModelConfig read_phi3(ConfigFields const& original) {
  auto const fields = original.over({{"rms_norm_eps", 1e-5}, {"original_max_position_embeddings", 4096}});
  auto config = read_llama_like(fields, "phi3");
  config.activation = read_silu(fields);
  config.tied_head = fields.flag("tie_word_embeddings", false);
  if (fields.find("sliding_window")) config.sliding_window = fields.size("sliding_window", most_positions);
  read_rope(fields, {.share = "partial_rotary_factor", .other_names_of_longrope = true}, config);
  return config;
}

ModelConfig read_olmo2(ConfigFields const& original) {
  auto const fields = original.over({{"rms_norm_eps", 1e-5}});
  auto config = read_llama_kin(fields, "olmo2");
  config.attention_bias = fields.flag("attention_bias", false);
  config.mlp_norm = true;
  return config;
}

}  // namespace onemask
