#include "tune/rung_study.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

/// The same as a document, whose other paths begin where those of the study do.
std::string resolved_text(Study const& rung, std::string const& study) {
  auto document = parse_yaml(study, "The resolved study");
  auto const& probes = rung.facts.front();
  document["name"] = rung.name;
  YAML::Node facts;
  facts[probes.split]["files"] = std::filesystem::absolute(rung.base / probes.files.front()).string();
  facts[probes.split]["limit"] = *probes.limit;
  document["facts"] = facts;
  document["mask"] = "none";
  document["evaluation"] = YAML::Node(YAML::NodeType::Map);
  document["evaluation"]["batch"] = rung.evaluation.batch;
  document["evaluation"]["neighborhood"] = true;
  document["evaluation"]["drop"] = false;
  for (auto const* section : {"sweep", "published", "tracing"}) document.remove(section);
  if (!rung.perplexity.asked()) document.remove("perplexity");
  auto const& edit = rung.points.front().edit;
  auto const keys = tuned_keys(edit.hparams.method);
  document["edit"]["batch"] = edit.batch;
  document["edit"].remove("layer");
  for (auto const& field : fields_of<EditHparams>()) {
    bool const swept = std::find(keys.begin(), keys.end(), field.name) != keys.end();
    if (!swept && field.given_for(edit.hparams) && field.used_for(edit.hparams))
      document["edit"][field.name] = YAML::Load(field.text(edit.hparams));
  }
  YAML::Node lists;
  for (auto const& key : keys) {
    YAML::Node values;
    for (auto const& point : rung.points) values.push_back(value_of_setting(point.edit.hparams, key));
    lists.push_back(values);
  }
  document["sweep"]["edit." + join(keys, ",edit.")] = lists;
  std::ostringstream text;
  text << document << '\n';
  return text.str();
}

}  // namespace

DriftMeasure drift_measure(Study const& study, std::size_t facts) {
  auto const& edit = study.points.front().edit;
  bool const together = edit.facts_per_model == 0 || edit.sequential || static_cast<std::size_t>(edit.facts_per_model) >= facts;
  bool const one_model = edits_in_batches(edit.hparams.method) && together;
  return one_model && study.perplexity.asked() ? DriftMeasure::perplexity : DriftMeasure::neighborhood_kl;
}

double usual_limit(DriftMeasure measure) {
  return measure == DriftMeasure::perplexity ? 1.2 : 2;
}

std::string name_of_measure(DriftMeasure measure) {
  return measure == DriftMeasure::perplexity ? "perplexity, edited / unedited" : "KL at neighborhood prompts [nats]";
}

void require_reuse(EditOptions const& edit, std::size_t facts, std::size_t unit) {
  auto const in_model = static_cast<std::size_t>(edit.facts_per_model);
  auto const method = edit.hparams.method;
  if (!edits_in_batches(method) || in_model == 0 || in_model >= facts) return;
  if (edit.sequential) {
    throw UserError(
        fmt::format("A tune on {} facts does not edit models of {} facts one after the other (edit.sequential with "
                    "edit.facts_per_model): every setting that matters only after the search would search anew. Set "
                    "edit.sequential to false, or edit.facts_per_model to 0.",
                    facts, in_model));
  }
  if (method == EditMethod::memit_merge && in_model % unit != 0) {
    throw UserError(
        fmt::format("A tune edits {} facts at a time, and facts of a model share their values with {}, but a model has {} "
                    "(edit.facts_per_model, or batch_size of the hparams file). Set edit.facts_per_model to a multiple of {}, or "
                    "to 0.",
                    unit, to_string(method), in_model, unit));
  }
}

Study rung_study(Study const& study, std::string const& name, std::vector<TuneCandidate> const& candidates,
                 std::filesystem::path const& probes, std::size_t count, std::size_t unit) {
  auto rung = study;
  rung.name = name;
  rung.base = probes.parent_path();
  rung.facts = {{.split = probe_split, .files = {probes.filename().string()}, .limit = count}};
  rung.masks = false;
  rung.published = {};
  rung.tracing.reset();
  rung.evaluation = {};
  rung.evaluation.batch = static_cast<int>(unit);
  rung.evaluation.neighborhood = true;
  rung.evaluation.drop = false;
  rung.perplexity.facts = 0;
  rung.points.clear();
  for (auto const& candidate : candidates) {
    StudyPoint point;
    point.edit = study.points.front().edit;
    point.edit.hparams = candidate.hparams;
    point.edit.batch = static_cast<int>(unit);
    point.masked = false;
    point.name = point.edits = name_of_settings(candidate.hparams);
    rung.points.push_back(std::move(point));
  }
  rung.resolved = resolved_text(rung, study.resolved);
  return rung;
}

}  // namespace onemask
