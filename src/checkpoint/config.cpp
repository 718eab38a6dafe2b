#include "checkpoint/families.hpp"
#include "checkpoint/json.hpp"
#include "checkpoint/read_config.hpp"
#include <onemask/checkpoint/config.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>

namespace onemask {
namespace {

/// How a family's folders are read.
struct FamilyReading {
  std::string name;  ///< 'model_type' in config.json
  ModelConfig (*config)(ConfigFields const&);
  std::vector<std::string> prefixes;
};

std::vector<FamilyReading> const& readings() {
  // As save_pretrained has named the text model inside of Gemma 3, at one time and another.
  static std::vector<std::string> const inside_gemma3{"model.", "language_model.model.", "model.language_model.",
                                                      "language_model."};
  static std::vector<FamilyReading> const all{{"gemma2", read_gemma2, {"model."}},
                                              {"gemma3", read_gemma3, inside_gemma3},
                                              {"gemma3_text", read_gemma3_text, inside_gemma3},
                                              {"gpt2", read_gpt2, {"transformer."}},
                                              {"gpt_neox", read_gpt_neox, {"gpt_neox."}},
                                              {"gptj", read_gptj, {"transformer."}},
                                              {"llama", read_llama, {"model."}},
                                              {"mistral", read_mistral, {"model."}},
                                              {"olmo2", read_olmo2, {"model."}},
                                              {"phi3", read_phi3, {"model."}},
                                              {"qwen2", read_qwen2, {"model."}},
                                              {"qwen3", read_qwen3, {"model."}}};
  return all;
}

FamilyReading const* reading_of(std::string const& name) {
  auto const found = std::find_if(readings().begin(), readings().end(), [&](auto const& one) { return one.name == name; });
  return found == readings().end() ? nullptr : &*found;
}

}  // namespace

bool ModelConfig::has_window(int layer) const {
  return sliding_window && (windowed.empty() || windowed[static_cast<std::size_t>(layer)]);
}

std::vector<std::string> model_families() {
  std::vector<std::string> names;
  for (auto const& reading : readings()) names.push_back(reading.name);
  return names;
}

std::vector<std::string> const& weight_prefixes(std::string const& family) {
  auto const* reading = reading_of(family);
  invariant(reading != nullptr, "a checkpoint is of the family '", family, "', which nothing reads");
  return reading->prefixes;
}

ModelConfig read_model_config(std::filesystem::path const& folder) {
  auto const file = folder / "config.json";
  ConfigFields const fields(detail::parse_json_object(read_file(file), file.string()), file.string());
  auto const* quantised = fields.find("quantization_config");
  if (quantised && !quantised->empty())
    fields.refuse("quantization_config", "quantised weights are not read, use the original checkpoint");
  auto const* reading = reading_of(fields.text("model_type", ""));
  if (reading == nullptr) fields.refuse("model_type", "supported are: " + join(model_families(), ", "));
  return reading->config(fields);
}

ModelConfig read_common(ConfigFields const& fields, std::string const& family, CommonNames const& names) {
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

}  // namespace onemask
