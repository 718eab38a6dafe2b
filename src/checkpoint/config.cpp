#include "checkpoint/json.hpp"
#include <onemask/checkpoint/config.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>

#include <cmath>
#include <map>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using Json = nlohmann::json;

// Far above every published model, far below what would overflow a product of two of them.
constexpr std::int64_t most_layers = 10'000, widest = std::int64_t{1} << 24, most_positions = std::int64_t{1} << 24;

/// The fields of one JSON object. A field that is null counts as absent.
class Fields {
 public:
  Fields(Json const& object, std::string where) : object_(object), where_(std::move(where)) {}

  [[noreturn]] void refuse(std::string const& field, std::string const& expected) const {
    auto const* value = find(field);
    throw UserError(where_ + ": '" + field + "' is " + (value ? detail::excerpt(*value) : "missing") + "; " + expected + ".");
  }

  bool is_null(std::string const& field) const {
    auto const found = object_.find(field);
    return found != object_.end() && found->is_null();
  }

  Json const* find(std::string const& field) const {
    auto const found = object_.find(field);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  /// A whole number from 1 to `most`.
  std::int64_t size(std::string const& field, std::int64_t most) const {
    auto const number = whole(find(field));
    if (!number || *number < 1 || *number > most) refuse(field, fmt::format("it must be a whole number from 1 to {}", most));
    return *number;
  }
  std::int64_t size(std::string const& field, std::int64_t most, std::int64_t otherwise) const {
    return find(field) ? size(field, most) : otherwise;
  }

  /// A finite number above 0.
  double positive(std::string const& field) const {
    auto const* value = find(field);
    double const number = value && value->is_number() ? value->get<double>() : 0;
    if (!(number > 0) || !std::isfinite(number)) refuse(field, "it must be a number above 0");
    return number;
  }
  double positive(std::string const& field, double otherwise) const { return find(field) ? positive(field) : otherwise; }

  bool flag(std::string const& field, bool otherwise) const {
    auto const* value = find(field);
    if (value && !value->is_boolean()) refuse(field, "it must be true or false");
    return value ? value->get<bool>() : otherwise;
  }

  std::string text(std::string const& field, std::string const& otherwise) const {
    auto const* value = find(field);
    if (value && !value->is_string()) refuse(field, "it must be a text");
    return value ? value->get<std::string>() : otherwise;
  }

  /// A token id; of a list (chat models end with several) the first.
  std::optional<std::int64_t> token(std::string const& field, std::int64_t vocabulary) const {
    auto const* value = find(field);
    if (value && value->is_array() && !value->empty()) value = &value->front();
    if (!value) return std::nullopt;
    auto const number = whole(value);
    if (!number || *number < 0 || *number >= vocabulary)
      refuse(field, fmt::format("it must be a token id below the vocabulary's {}", vocabulary));
    return number;
  }

  /// The fields of an object in this one, if it is there.
  std::optional<Fields> inside(std::string const& field) const {
    auto const* value = find(field);
    if (!value) return std::nullopt;
    if (!value->is_object()) refuse(field, "it must be an object ({...}) or null");
    return Fields(*value, where_ + ": '" + field + "'");
  }

 private:
  static std::optional<std::int64_t> whole(Json const* value) {
    if (!value || !value->is_number_integer()) return std::nullopt;
    if (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX) return std::nullopt;
    return value->get<std::int64_t>();
  }

  Json const& object_;
  std::string where_;
};

/// Hugging Face's name of an activation -> the name here.
using Activations = std::map<std::string, std::string>;

std::string read_activation(Fields const& fields, std::string const& field, std::string const& usual, Activations const& known) {
  auto const found = known.find(fields.text(field, usual));
  if (found != known.end()) return found->second;
  fields.refuse(field, "supported are: " + join(known, ", ", [](auto const& item) { return item.first; }));
}

/// How a file names what all of them have, and the epsilon of one that names none.
struct CommonNames {
  char const *layers, *hidden, *heads, *positions, *norm_epsilon;
  double usual_epsilon;
};

ModelConfig read_common(Fields const& fields, std::string const& family, CommonNames const& names) {
  ModelConfig config{};
  config.family = family;
  config.layers = fields.size(names.layers, most_layers);
  config.hidden = fields.size(names.hidden, widest);
  config.heads = fields.size(names.heads, widest);
  config.vocabulary = fields.size("vocab_size", widest);
  config.positions = fields.size(names.positions, most_positions);
  config.norm_epsilon = fields.positive(names.norm_epsilon, names.usual_epsilon);
  config.bos = fields.token("bos_token_id", config.vocabulary);
  config.eos = fields.token("eos_token_id", config.vocabulary);
  return config;
}

/// What the files of GPT-2 and GPT-J have in common.
ModelConfig read_gpt(Fields const& fields, std::string const& family) {
  auto config = read_common(fields, family, {"n_layer", "n_embd", "n_head", "n_positions", "layer_norm_epsilon", 1e-5});
  config.kv_heads = config.heads;
  if (config.hidden % config.heads != 0)
    fields.refuse("n_head", fmt::format("it must divide n_embd, which is {}", config.hidden));
  config.head_dim = config.hidden / config.heads;
  config.inner = fields.size("n_inner", widest, 4 * config.hidden);
  config.activation =
      read_activation(fields, "activation_function", "gelu_new",
                      {{"gelu_new", "gelu_new"}, {"gelu_pytorch_tanh", "gelu_new"}, {"gelu", "gelu"}, {"relu", "relu"}});
  return config;
}

ModelConfig read_gpt2(Fields const& fields) {
  auto config = read_gpt(fields, "gpt2");
  config.tied_head = fields.flag("tie_word_embeddings", true);
  config.scale_attention = fields.flag("scale_attn_weights", true);
  config.scale_attention_by_inverse_layer = fields.flag("scale_attn_by_inverse_layer_idx", false);
  if (fields.flag("add_cross_attention", false))
    fields.refuse("add_cross_attention", "only models without cross-attention are supported");
  return config;
}

ModelConfig read_gptj(Fields const& fields) {
  auto config = read_gpt(fields, "gptj");
  config.tied_head = fields.flag("tie_word_embeddings", false);
  config.rotary_dim = fields.size("rotary_dim", config.head_dim);
  if (config.rotary_dim % 2 != 0) fields.refuse("rotary_dim", "it must be even, because rotary embeddings rotate pairs");
  return config;
}

/// Rotary embedding: "rope_parameters" holds everything in newer files; "rope_theta" and "rope_scaling" do in older ones.
void read_rope(Fields const& fields, ModelConfig& config) {
  config.rope_theta = fields.positive("rope_theta", 10000);
  if (fields.positive("partial_rotary_factor", 1) != 1)
    fields.refuse("partial_rotary_factor", "only rotary embeddings of whole heads (1) are supported");
  auto const newer = fields.inside("rope_parameters");
  if (newer) config.rope_theta = newer->positive("rope_theta", config.rope_theta);
  auto const rope = newer ? newer : fields.inside("rope_scaling");
  if (!rope) return;
  std::string const type_field = rope->find("rope_type") ? "rope_type" : "type";
  auto const type = rope->text(type_field, "default");
  if (type == "default") return;
  if (type != "llama3") rope->refuse(type_field, "supported are: default, llama3");
  RopeScaling scaling{rope->positive("factor"), rope->positive("low_freq_factor"), rope->positive("high_freq_factor"),
                      rope->size("original_max_position_embeddings", most_positions)};
  if (!(scaling.low_frequency_factor < scaling.high_frequency_factor))
    rope->refuse("low_freq_factor", "it must be below high_freq_factor");
  config.rope_scaling = scaling;
}

/// What the files of Llama, Mistral and Qwen2 have in common.
ModelConfig read_llama_like(Fields const& fields, std::string const& family) {
  auto config =
      read_common(fields, family,
                  {"num_hidden_layers", "hidden_size", "num_attention_heads", "max_position_embeddings", "rms_norm_eps", 1e-6});
  config.kv_heads = fields.size("num_key_value_heads", widest, config.heads);
  if (config.heads % config.kv_heads != 0)
    fields.refuse("num_key_value_heads", fmt::format("it must divide num_attention_heads, which is {}", config.heads));
  if (!fields.find("head_dim") && config.hidden % config.heads != 0)
    fields.refuse("num_attention_heads",
                  fmt::format("without 'head_dim' it must divide hidden_size, which is {}", config.hidden));
  config.head_dim = fields.size("head_dim", widest, config.hidden / config.heads);
  if (config.head_dim % 2 != 0)
    fields.refuse("head_dim", fmt::format("rotary embeddings need an even head size, here it is {}", config.head_dim));
  config.inner = fields.size("intermediate_size", widest);
  config.activation = read_activation(fields, "hidden_act", "silu", {{"silu", "silu"}, {"swish", "silu"}});
  config.tied_head = fields.flag("tie_word_embeddings", false);
  read_rope(fields, config);
  return config;
}

ModelConfig read_llama(Fields const& fields) {
  auto config = read_llama_like(fields, "llama");
  config.attention_bias = fields.flag("attention_bias", false);
  config.mlp_bias = fields.flag("mlp_bias", false);
  return config;
}

ModelConfig read_mistral(Fields const& fields) {
  auto config = read_llama_like(fields, "mistral");
  // A file that does not speak of the window means 4096; null is how later versions say that there is none.
  if (!fields.is_null("sliding_window")) config.sliding_window = fields.size("sliding_window", most_positions, 4096);
  return config;
}

ModelConfig read_qwen2(Fields const& fields) {
  auto config = read_llama_like(fields, "qwen2");
  config.qkv_bias = true;
  if (fields.flag("use_sliding_window", false))
    fields.refuse("use_sliding_window", "only models that attend to all positions (false) are supported");
  return config;
}

}  // namespace

ModelConfig read_model_config(std::filesystem::path const& folder) {
  auto const file = folder / "config.json";
  auto const json = detail::parse_json_object(read_file(file), file.string());
  Fields const fields(json, file.string());
  if (fields.find("quantization_config"))
    fields.refuse("quantization_config", "quantised weights are not read, use the original checkpoint");
  auto const family = fields.text("model_type", "");
  static std::map<std::string, ModelConfig (*)(Fields const&)> const readers{
      {"gpt2", read_gpt2}, {"gptj", read_gptj}, {"llama", read_llama}, {"mistral", read_mistral}, {"qwen2", read_qwen2}};
  auto const reader = readers.find(family);
  if (reader == readers.end()) fields.refuse("model_type", "supported are: gpt2, gptj, llama, mistral, qwen2");
  return reader->second(fields);
}

}  // namespace onemask
