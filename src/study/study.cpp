#include "study/study_sections.hpp"
#include "study/sweep_axes.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>
#include <onemask/study/study.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// At most `limit` facts of every split.
void limit_splits(YAML::Node splits, std::size_t limit) {
  if (!splits.IsMap()) return;  // the reader complains
  for (auto split : splits) {
    if (!split.second.IsMap()) continue;
    auto const own = split.second["limit"];
    if (!own || own.as<std::size_t>(limit) > limit) split.second["limit"] = limit;
  }
}

bool is_none(YAML::Node const& section) {
  return section && section.IsScalar() && section.Scalar() == "none";
}

/// A section with nothing behind its name may be meant as none, or as one of defaults alone.
void refuse_empty_sections(YAML::Node const& document, std::string const& file) {
  for (auto const* section : {"mask", "inject", "tracing", "analysis"}) {
    auto const node = document[section];
    if (node.IsDefined() && node.IsNull())
      throw UserError("The study " + file + ": '" + section + "' is empty. Write {} for its defaults, or none to leave it out.");
  }
}

/// Where the study itself says that no masks are trained.
void refuse_mask_keys(Sweep const& sweep, std::string const& name) {
  for (auto const& axis : sweep) {
    for (auto const& key : axis.keys) {
      if (!key.starts_with("mask.")) continue;
      throw UserError("The study " + name + " sweeps '" + key + "', but trains no masks (mask: none). Remove one of the two.");
    }
  }
}

/// Where no masks are trained, they decide nothing.
void drop_mask_keys(Sweep& sweep) {
  for (auto& [keys, values] : sweep) {
    for (auto k = keys.size(); k-- > 0;) {
      if (!keys[k].starts_with("mask.")) continue;
      keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(k));
      values.erase(values.begin() + static_cast<std::ptrdiff_t>(k));
    }
  }
  std::erase_if(sweep, [](auto const& axis) { return axis.keys.empty(); });
}

/// Refuses settings of the section edit that are given, or swept, other than by default, and decide nothing at any point. `part`
/// gives those of a table.
template <typename Options>
void refuse_unused(Study const& study, YAML::Node const& section, Sweep const& sweep, std::string const& name,
                   std::function<Options const&(EditOptions const&)> const& part) {
  for (auto const& field : fields_of<Options>()) {
    auto const key = "edit." + field.name;
    auto const sweeps = [&](auto const& axis) { return std::find(axis.keys.begin(), axis.keys.end(), key) != axis.keys.end(); };
    auto const uses = [&](auto const& point) { return field.used_for(part(point.edit)); };
    bool const given = (section.IsMap() && section[field.name]) || std::any_of(sweep.begin(), sweep.end(), sweeps);
    if (!given || std::any_of(study.points.begin(), study.points.end(), uses)) continue;
    auto const standard = field.text(part(EditOptions()));
    auto const is_standard = [&](auto const& point) { return field.text(part(point.edit)) == standard; };
    if (std::all_of(study.points.begin(), study.points.end(), is_standard)) continue;
    std::vector<std::string> methods;
    for (auto const& [method, method_name] : edit_method_names) {
      EditOptions edit;
      edit.hparams.method = method;
      if (field.used_for(part(edit))) methods.emplace_back(method_name);
    }
    auto const whose = methods.empty() ? "finished edits (edit.files)" : join(methods, ", ");
    throw UserError(fmt::format("The study {}: '{}' is a setting of {}; it decides nothing here. Remove it{}.", name, key, whose,
                                methods.empty() ? "" : ", or set edit.method"));
  }
}

/// A consensus is the mean of masks that differ in their seed alone, cut to their size.
void check_consensus(Study const& study, std::string const& name) {
  std::map<std::pair<std::string, std::string>, std::set<std::uint64_t>> seeds;  // by way of editing and settings
  for (auto const& point : study.points) {
    if (!point.masked) continue;
    if (!point.mask.zeros)
      throw UserError(
          "The study " + name +
          ": 'evaluation.consensus' needs masks of one size, but a threshold gives every mask its own. Set 'mask.zeros'.");
    seeds[{point.edits, point.settings}].insert(point.mask_seed);
  }
  for (auto const& [settings, of] : seeds) {
    if (of.size() < 2)
      throw UserError("The study " + name +
                      ": 'evaluation.consensus' needs at least two masks that differ in their seed alone. Sweep 'mask.seed'.");
  }
  if (seeds.empty()) throw UserError("The study " + name + ": 'evaluation.consensus' is of masks, but the study trains none.");
}

/// What a split that is trained on says of the overlap with itself.
void check_overlaps(Study const& study, std::string const& name) {
  auto const training = study.training_splits();
  if (training.empty()) return;
  // Of two splits that masks are trained on the later one allows what they share.
  auto const& first = training.front();
  for (auto const& selection : study.facts) {
    if (selection.split != first || selection.allow_overlap.empty()) continue;
    throw UserError(
        fmt::format("The study {}: 'facts.{}.allow_overlap' is about facts of '{}' in other splits; it decides nothing "
                    "here. Give it to the other split.",
                    name, first, first));
  }
}

/// Facts held back belong to a split that masks are trained on. Without masks, as in a part of a study, any split may be it.
void check_published(Study const& study, std::string const& name) {
  auto const trained = study.training_splits();
  for (auto const& figure : study.published.figures) {
    if (!study.masks || !figure.split.ends_with(and_validation)) continue;
    auto const split = figure.split.substr(0, figure.split.size() - std::string_view(and_validation).size());
    if (std::find(trained.begin(), trained.end(), split) != trained.end()) continue;
    throw UserError("The study " + name + ": a published figure is of '" + figure.split +
                    "', but no mask is trained on the split '" + split + "'. Masks are trained on: " + join(trained, ", ") + ".");
  }
}

}  // namespace

std::vector<std::string> Study::training_splits() const {
  std::vector<std::string> splits;
  for (auto const& selection : facts) {
    bool const trained = std::any_of(points.begin(), points.end(),
                                     [&](auto const& point) { return point.masked && point.training.split == selection.split; });
    if (trained) splits.push_back(selection.split);
  }
  return splits;
}

Study read_study(std::filesystem::path const& file, StudyOverrides const& overrides) {
  auto const name = file.string();
  auto document = parse_yaml(read_file(file), "The study " + name);
  if (!document.IsMap()) throw UserError("The study " + name + " must be a YAML mapping with name, model, facts, edit and mask.");
  override_values(document, overrides.set);
  for (auto const* section : {"inject", "tracing", "analysis", "perplexity", "moments", "published"}) {
    if (is_none(document[section])) document.remove(section);
  }
  refuse_empty_sections(document, name);
  if (overrides.limit) limit_splits(document["facts"], *overrides.limit);
  auto sweep = read_sweep(document, overrides, name);
  if (is_none(document["edit"]) && !sweep.empty()) {
    throw UserError("The study " + name + " sweeps '" + sweep.front().keys.front() +
                    "', but it makes no edits (edit: none). Remove one of the two.");
  }
  if (overrides.masks && is_none(document["mask"])) refuse_mask_keys(sweep, name);
  if (auto mask = document["mask"]; mask.IsMap() && mask["zeros"].IsSequence()) mask.remove("zeros");  // swept
  if (!overrides.masks) {
    document["mask"] = "none";
    document.remove("inject");
    document.remove("analysis");
    if (auto evaluation = document["evaluation"]; evaluation.IsMap()) evaluation.remove("consensus");
    drop_mask_keys(sweep);
  }
  auto const base = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  Study study;
  std::vector<std::size_t> choice(sweep.size(), 0);
  for (bool more = true; more;) {
    auto variant = YAML::Clone(document);
    StudyPoint names;
    auto const add = [](std::string& text, std::string const& word) { text += (text.empty() ? "" : " ") + word; };
    for (std::size_t i = 0; i < sweep.size(); ++i) {
      for (std::size_t k = 0; k < sweep[i].keys.size(); ++k) {
        auto const& key = sweep[i].keys[k];
        auto const& value = sweep[i].values[k][choice[i]];
        assign(variant, key, parse_yaml(value, "The study " + name + ": the value '" + value + "' of 'sweep." + key + "'"));
        auto const word = key + "=" + value;
        add(names.name, word);
        if (key.starts_with("edit.")) add(names.edits, word);
        if (key.starts_with("mask.") && key != "mask.seed") add(names.settings, word);
      }
    }
    auto one = read_sections(variant, name, base, overrides.edit);
    if (one.points.empty()) {  // nothing is edited, so nothing is swept
      study = std::move(one);
      break;
    }
    auto& point = one.points.front();
    auto const masks = names.edits.empty() ? "mask" : names.edits + " mask";  // where nothing else tells it from the edits
    point.name = names.name == names.edits ? masks : names.name;
    bool const imported = point.edit.hparams.method == EditMethod::imported;
    point.edits = imported && names.edits.empty() ? to_string(EditMethod::imported) : names.edits;
    point.settings = names.settings;
    if (study.points.empty()) {
      study = std::move(one);
    } else {
      study.masks = study.masks || one.masks;
      study.points.push_back(std::move(point));
    }
    more = false;
    for (auto i = sweep.size(); i-- > 0 && !more;) {
      more = ++choice[i] < sweep[i].length();
      if (!more) choice[i] = 0;
    }
  }
  using Edit = EditOptions;
  refuse_unused<EditHparams>(
      study, document["edit"], sweep, name, [](Edit const& edit) -> auto const& { return edit.hparams; });
  refuse_unused<EditOptions>(
      study, document["edit"], sweep, name, [](Edit const& edit) -> auto const& { return edit; });
  if (document["mask"].IsMap() && !study.masks) {
    throw UserError("The study " + name +
                    ": 'mask.methods' names none of the study's editing methods. Name one of them, or set 'mask: none'.");
  }
  check_overlaps(study, name);
  if (study.evaluation.consensus) check_consensus(study, name);
  if (study.inject && !study.masks) {
    throw UserError("The study " + name +
                    ": 'inject' edits facts under trained masks and under others of their size, but the study trains none. Train "
                    "a mask, or remove the section.");
  }
  if (study.analysis && !study.masks && document["analysis"]["dimensions"] && study.analysis->dimensions > 0) {
    throw UserError("The study " + name +
                    ": 'analysis.dimensions' are those with most zeros in a mask, but the study trains none. Train a mask, or "
                    "remove the key.");
  }
  if (study.analysis && !study.masks && !asks_for_models(*study.analysis)) {
    throw UserError("The study " + name +
                    ": 'analysis' asks for nothing but dimensions that masks cut, and the study trains none. Turn something on, "
                    "or remove the section.");
  }
  check_published(study, name);
  std::ostringstream resolved;
  document.remove("sweep");
  for (auto const& [keys, values] : sweep) {
    auto const joined = join(keys, ",");
    if (keys.size() == 1) {
      document["sweep"][joined] = values.front();
    } else {
      document["sweep"][joined] = values;
    }
  }
  resolved << document << '\n';
  study.resolved = resolved.str();
  return study;
}

}  // namespace onemask
