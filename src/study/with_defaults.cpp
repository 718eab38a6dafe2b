#include "study/fact_fields.hpp"
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>
#include <onemask/study/keys.hpp>

#include <algorithm>
#include <sstream>

#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

/// Adds the value of a key that the section lacks.
void add_value(YAML::Node section, std::string const& key, std::string const& value) {
  bool const nothing = value.empty() || value == "[]" || value == "{}" || value == "\"\"";
  if (!nothing && !section[key]) section[key] = YAML::Load(value);
}

/// Those that decide something for one of `all`.
template <typename Options>
void add_fields(YAML::Node section, Options const& options, std::vector<std::string> const& but = {},
                std::vector<Options> const& all = {}) {
  for (auto const& field : fields_of<Options>()) {
    bool const unused = !all.empty() && std::none_of(all.begin(), all.end(), field.used_for);
    bool const left_out = field.special || unused || std::find(but.begin(), but.end(), field.name) != but.end();
    if (!left_out) add_value(section, field.name, field.text(options));
  }
}

std::vector<std::string> swept_keys_of(YAML::Node const& sweep) {
  std::vector<std::string> keys;
  if (!sweep) return keys;
  for (auto const& axis : sweep) {
    for (auto& key : split_text(axis.first.as<std::string>(), ',')) keys.push_back(std::move(key));
  }
  return keys;
}

void add_edit(YAML::Node section, Study const& study, std::vector<std::string> const& swept) {
  auto const& edit = study.points.front().edit;
  std::vector<EditOptions> all;
  std::vector<EditHparams> all_hparams;
  for (auto const& point : study.points) {
    all.push_back(point.edit);
    all_hparams.push_back(point.edit.hparams);
  }
  auto const is_swept = [&](char const* key) { return std::find(swept.begin(), swept.end(), key) != swept.end(); };
  add_fields(section, edit, {}, all);
  if (is_swept("edit.hparams") || is_swept("edit.files")) return;  // each file has its own
  bool const one_layer = section["layer"] || is_swept("edit.layer");
  add_fields(section, edit.hparams, one_layer ? std::vector<std::string>{"layers"} : std::vector<std::string>{}, all_hparams);
}

/// What is made of edits, and they themselves.
void add_edits(YAML::Node document, Study const& study, std::vector<std::string> const& swept) {
  add_edit(document["edit"], study, swept);
  add_fields(document["moments"], study.moments);
  if (!(document["mask"] && document["mask"].IsScalar())) {
    auto mask = document["mask"];
    auto const& point = study.points.front();
    add_value(mask, "layers", "last");
    add_value(mask, "seed", std::to_string(point.mask_seed));
    add_value(mask, "train_split", point.training.split);
    add_value(mask, "train_relations", "all");
    add_value(mask, "train_per_relation", std::to_string(point.training.per_relation));
    add_value(mask, "train_models", std::to_string(point.training.models));
    add_value(mask, "ranks", study.ranks_per_mask > 0 ? std::to_string(study.ranks_per_mask) : "auto");
    std::vector<MaskOptions> all;
    for (auto const& other : study.points) all.push_back(other.mask);
    add_fields(mask, point.mask, {}, all);
  }
  add_fields(document["evaluation"], study.evaluation);
  if (study.inject) add_fields(document["inject"], *study.inject);
  if (study.analysis) add_fields(document["analysis"], *study.analysis);
  if (study.perplexity.asked()) add_fields(document["perplexity"], study.perplexity);
}

}  // namespace

std::string with_defaults(Study const& study) {
  auto document = parse_yaml(study.resolved, "The resolved study");
  YAML::Node const sweep = document["sweep"];
  auto const swept = swept_keys_of(sweep);
  document.remove("sweep");  // comes last
  add_value(document, "peer_compatible", study.peer_compatible ? "true" : "false");
  add_fields(document["model"], study.model);
  for (auto const& selection : study.facts) add_fields(document["facts"][selection.split], selection, {}, {selection});
  if (!study.points.empty()) add_edits(document, study, swept);
  if (study.tracing) add_fields(document["tracing"], *study.tracing, {}, {*study.tracing});
  if (!swept.empty()) document["sweep"] = sweep;
  std::ostringstream text;
  text << document << '\n';
  return text.str();
}

}  // namespace onemask
