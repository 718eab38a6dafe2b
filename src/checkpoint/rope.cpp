#include "checkpoint/read_config.hpp"
#include <onemask/core/text.hpp>

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Entries of a head that are rotated, in pairs.
std::int64_t rotated(ModelConfig const& config) {
  return config.rotary_dim > 0 ? config.rotary_dim : config.head_dim;
}

/// Positions that a model was trained for before its frequencies were scaled.
std::int64_t original_positions(ConfigFields const& fields, ConfigFields const& rope, std::int64_t otherwise) {
  constexpr char const* name = "original_max_position_embeddings";
  return fields.find(name) ? fields.size(name, most_positions) : rope.size(name, most_positions, otherwise);
}

void read_linear(ConfigFields const&, ConfigFields const& rope, ModelConfig& config) {
  config.rope_divisors.assign(static_cast<std::size_t>(rotated(config) / 2), rope.positive("factor"));
}

void read_llama3(ConfigFields const&, ConfigFields const& rope, ModelConfig& config) {
  RopeScaling scaling{rope.positive("factor"), rope.positive("low_freq_factor"), rope.positive("high_freq_factor"),
                      rope.size("original_max_position_embeddings", most_positions)};
  if (!(scaling.low_frequency_factor < scaling.high_frequency_factor))
    rope.refuse("low_freq_factor", "it must be below high_freq_factor");
  config.rope_scaling = scaling;
}

/// YaRN (arXiv 2309.00071, section 3): frequencies that turn less than beta_slow times over the original positions are divided by
/// `factor`, those that turn more than beta_fast times stay, a linear passage between.
void read_yarn(ConfigFields const& fields, ConfigFields const& rope, ModelConfig& config) {
  if (!(config.rope_theta > 1)) rope.refuse("rope_theta", "YaRN needs a base above 1");
  auto const original = static_cast<double>(original_positions(fields, rope, config.positions));
  auto const dim = static_cast<double>(rotated(config));
  double const factor = rope.positive("factor", static_cast<double>(config.positions) / original);
  bool const whole = rope.flag("truncate", true);
  auto const place_of = [&](double turns) {
    return dim * std::log(original / (turns * 2 * M_PI)) / (2 * std::log(config.rope_theta));
  };
  double low = place_of(rope.positive("beta_fast", 32)), high = place_of(rope.positive("beta_slow", 1));
  if (whole) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (std::int64_t i = 0; i < rotated(config) / 2; ++i) {
    double const stretched = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    config.rope_divisors.push_back(1 / (stretched / factor + 1 - stretched));
  }
  auto const growth = [&](double scale) { return factor <= 1 ? 1 : 0.1 * scale * std::log(factor) + 1; };
  bool const scales = rope.find("mscale") && rope.find("mscale_all_dim");
  config.rope_amplitude = rope.positive(
      "attention_factor", scales ? growth(rope.positive("mscale")) / growth(rope.positive("mscale_all_dim")) : growth(1));
}

/// LongRoPE (arXiv 2402.13753). A sequence longer than the original positions has other factors at all of its positions, so that
/// no token's keys could be computed before the sequence's length is known: the model ends with the original positions.
void read_longrope(ConfigFields const& fields, ConfigFields const& rope, ModelConfig& config) {
  auto const original = original_positions(fields, rope, config.positions);
  auto const count = static_cast<std::size_t>(rotated(config) / 2);
  config.rope_divisors = rope.positives("short_factor", count);
  rope.positives("long_factor", count);
  double const factor = rope.positive("factor", static_cast<double>(config.positions) / static_cast<double>(original));
  if (factor > 1 && original < 2) rope.refuse("original_max_position_embeddings", "LongRoPE needs at least 2");
  config.rope_amplitude = rope.positive(
      "attention_factor", factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(original))));
  config.positions = std::min(config.positions, original);
}

void read_none(ConfigFields const&, ConfigFields const&, ModelConfig&) {}

/// What an object says of scaling: all but base and share, whose older place is beside the object.
nlohmann::json scaling_of(ConfigFields const& fields, ConfigFields const& rope) {
  constexpr char const* positions = "original_max_position_embeddings";
  auto scaling = rope.object();
  if (!scaling.contains("rope_type")) scaling["rope_type"] = scaling.value("type", nlohmann::json("default"));
  for (auto const* name : {"type", "rope_theta", "partial_rotary_factor"}) scaling.erase(name);
  if (auto const* outside = fields.find(positions); outside && scaling.contains(positions) && scaling[positions] == *outside)
    scaling.erase(positions);
  return scaling;
}

}  // namespace

void read_rope_scaling(ConfigFields const& fields, ConfigFields const& rope, bool other_names_of_longrope, ModelConfig& config) {
  using Reader = void (*)(ConfigFields const&, ConfigFields const&, ModelConfig&);
  // "dynamic" changes sequences beyond max_position_embeddings alone, and there are none.
  static std::map<std::string, Reader> const kinds{{"default", read_none},  {"dynamic", read_none},      {"linear", read_linear},
                                                   {"llama3", read_llama3}, {"longrope", read_longrope}, {"yarn", read_yarn}};
  std::string const field = rope.find("rope_type") ? "rope_type" : "type";
  auto type = rope.text(field, "default");
  if (other_names_of_longrope && (type == "su" || type == "yarn")) type = "longrope";
  auto const kind = kinds.find(type);
  if (kind == kinds.end()) rope.refuse(field, "supported are: " + join(kinds, ", ", [](auto const& item) { return item.first; }));
  kind->second(fields, rope, config);
}

std::optional<ConfigFields> rope_object(ConfigFields const& fields, std::optional<ConfigFields> const& newer) {
  auto const older = fields.inside("rope_scaling");
  if (older && newer && scaling_of(fields, *older) != scaling_of(fields, *newer))
    fields.refuse("rope_scaling",
                  "'rope_parameters' says something else, and versions of transformers obey one or the other; "
                  "leave out what the model was not made with");
  return newer ? newer : older;
}

void read_rope(ConfigFields const& fields, RopeNames const& names, ModelConfig& config) {
  config.rope_theta = fields.positive(names.theta, names.usual_theta);
  auto const rope = rope_object(fields, fields.inside("rope_parameters"));
  if (rope) {
    config.rope_theta = rope->positive("rope_theta", config.rope_theta);
    for (auto const* kind : {"full_attention", "sliding_attention"})
      if (rope->find(kind)) rope->refuse(kind, "only models of Gemma 3 may rotate layers with a window in another way");
  }
  std::string const in_object = "partial_rotary_factor", in_file = names.share ? names.share : in_object;
  bool const in_rope = rope && rope->find(in_object);
  auto const& source = in_rope ? *rope : fields;
  auto const& name = in_rope ? in_object : in_file;
  double const share = source.positive(name, names.usual_share);
  if (!names.share && share != 1) source.refuse(name, "only rotary embeddings of whole heads (1) are supported");
  if (share != 1) {
    auto const dim = share < 1 ? static_cast<std::int64_t>(static_cast<double>(config.head_dim) * share) : 0;
    if (dim < 2 || dim % 2 != 0)
      source.refuse(name, fmt::format("an even number of each head's {} entries must be rotated", config.head_dim));
    config.rotary_dim = dim;
  }
  if (rope) read_rope_scaling(fields, *rope, names.other_names_of_longrope, config);
}

}  // namespace onemask
