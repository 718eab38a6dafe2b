#pragma once

#include "checkpoint/config_fields.hpp"
#include <onemask/checkpoint/config.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

// Each reads the configuration of the family in its name. Those of one kind are in one file.
ModelConfig read_gpt2(ConfigFields const& fields);
ModelConfig read_gptj(ConfigFields const& fields);
ModelConfig read_gpt_neox(ConfigFields const& fields);

ModelConfig read_llama(ConfigFields const& fields);
ModelConfig read_mistral(ConfigFields const& fields);
ModelConfig read_qwen2(ConfigFields const& fields);
ModelConfig read_qwen3(ConfigFields const& fields);
ModelConfig read_phi3(ConfigFields const& fields);
ModelConfig read_olmo2(ConfigFields const& fields);

ModelConfig read_gemma2(ConfigFields const& fields);
ModelConfig read_gemma3_text(ConfigFields const& fields);
/// Of the text model in a Gemma 3 that also reads images.
ModelConfig read_gemma3(ConfigFields const& fields);

/// How a file names what all of them have, and the epsilon of one that names none.
struct CommonNames {
  char const *layers, *hidden, *heads, *positions, *norm_epsilon;
  double usual_epsilon;
};
ModelConfig read_common(ConfigFields const& fields, std::string const& family, CommonNames const& names);
/// What the files of Llama and its kin have in common, but for the activation and what each says of positions. `head_dim` is that
/// of a file that names none; 0: hidden / heads.
ModelConfig read_llama_like(ConfigFields const& fields, std::string const& family, std::int64_t head_dim = 0);

/// The window of the layers that "layer_types" names, or, in a file without such a list, of those that `usual` tells. `window` is
/// nothing where the file says that there is none.
void read_windows(ConfigFields const& fields, std::optional<std::int64_t> window, std::vector<bool> usual, ModelConfig& config);

/// How a file names the base of rotary frequencies and the share of each head that is rotated, and what one that names none
/// means.
struct RopeNames {
  char const* theta = "rope_theta";
  double usual_theta = 10000;
  char const* share = nullptr;  ///< nothing: the family rotates whole heads
  double usual_share = 1;
  bool other_names_of_longrope = false;  ///< Phi-3: the kinds "su" and "yarn" mean "longrope"
};
/// Rotary embedding of a file that says the same of all layers: in "rope_parameters", or in older files in fields of their own.
/// LongRoPE limits config.positions to those that its short factors are for.
void read_rope(ConfigFields const& fields, RopeNames const& names, ModelConfig& config);
/// The object that speaks of rotary frequencies: `newer`, or without it the older "rope_scaling". UserError where they
/// contradict.
std::optional<ConfigFields> rope_object(ConfigFields const& fields, std::optional<ConfigFields> const& newer);
/// The scaling that an object asks for; `fields` is the object around it.
void read_rope_scaling(ConfigFields const& fields, ConfigFields const& rope, bool other_names_of_longrope, ModelConfig& config);

}  // namespace onemask
