#include "study/study_sections.hpp"

#include "study/fact_fields.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/json_field.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_section.hpp>
#include <onemask/settings/make_field.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// Sets what the section says of the fields of the table, but for those that are read by hand. Where `options` hold other
/// settings already, none must be given.
template <typename Options>
void read_fields(YamlSection& section, Options& options, bool all_must = true) {
  for (auto const& field : fields_of<Options>()) {
    if (field.special) continue;
    if (section.has(field.name)) {
      auto const problem = field.set(options, section.value(field.name));
      if (!problem.empty()) throw section.fault(field.name, problem);
    } else if (field.required && all_must) {
      throw section.fault(field.name, "is missing");
    }
  }
}

void put_under(std::filesystem::path const& base, std::vector<std::filesystem::path>& files) {
  for (auto& file : files) file = base / file;
}

ModelOptions read_model(YamlSection section, std::filesystem::path const& base) {
  ModelOptions model;
  read_fields(section, model);
  model.checkpoint = base / model.checkpoint;
  section.finish();
  return model;
}

std::vector<FactSelection> read_facts(YamlSection section) {
  std::vector<FactSelection> selections;
  for (auto const& split : section.keys()) {
    if (split == validation_split)
      throw section.fault(split, "is the name of the facts held back from training; give the split another name");
    if (split == every_split)
      throw section.fault(split, "stands for models in which no fact is edited; give the split another name");
    if (split.ends_with(and_validation))
      throw section.fault(split,
                          "stands for a split together with the facts held back from training; give the split another name");
    auto part = section.section(split);
    FactSelection selection;
    selection.split = split;
    read_fields(part, selection);
    for (auto const& field : fields_of<FactSelection>()) {
      if (!field.used_for(selection) && field.text(selection) != field.text(FactSelection())) {
        throw part.fault(field.name,
                         "is a setting of the test 'known', for which this split does not ask. Set 'known' to two-way or "
                         "top-1, or remove it");
      }
    }
    part.finish();
    selections.push_back(std::move(selection));
  }
  if (selections.empty()) throw section.fault("", "must name at least one split");
  return selections;
}

std::string one_of(YamlSection& section, char const* key, std::vector<std::string> const& known) {
  auto const value = section.need<std::string>(key);
  if (std::find(known.begin(), known.end(), value) != known.end()) return value;
  std::string names;
  for (auto const& name : known) names += (names.empty() ? "" : ", ") + name;
  throw section.fault(key, "is '" + value + "'; known are " + names);
}

/// Paths by case_id, as a JSON file has them; relative ones begin at its folder.
std::map<std::int64_t, std::string> read_edit_index(std::filesystem::path const& file) {
  auto const place = "The index of edits " + file.string();
  auto const index = detail::parse_json_file(file);
  if (!index.is_object() || index.empty()) throw UserError(place + " must be a JSON object of case_ids and paths.");
  std::map<std::int64_t, std::string> paths;
  for (auto const& [name, path] : index.items()) {
    std::int64_t case_id = 0;
    auto const [end, error] = std::from_chars(name.data(), name.data() + name.size(), case_id);
    if (error != std::errc() || end != name.data() + name.size())
      throw UserError(place + ": '" + name + "' is no case_id, which is a whole number.");
    if (!path.is_string() || path.get<std::string>().empty())
      throw UserError(fmt::format("{}: the path of the fact with case_id {} must be a text.", place, case_id));
    paths[case_id] = (file.parent_path() / path.get<std::string>()).string();
  }
  return paths;
}

/// Edits that are finished: no setting of a method decides anything.
EditOptions read_finished_edits(YamlSection section, std::filesystem::path const& base) {
  for (auto const* key : {"hparams", "method", "layer", "layers", "templates"}) {
    if (section.has(key)) {
      throw section.fault(key,
                          "is given together with 'files': finished edits are read as they are, and their files say their "
                          "layers. Keep one of the two");
    }
  }
  EditOptions edit;
  edit.hparams.method = EditMethod::imported;
  read_fields(section, edit.hparams, false);
  read_fields(section, edit);
  auto& files = edit.files;
  for (auto& [case_id, path] : files.of_facts) path = (base / path).string();
  if (!files.name.empty()) {
    auto const unknown = unknown_part(files.name);
    if (!unknown.empty())
      throw section.fault("files", "has '" + unknown + "' in its path, in which only {case_id} and {split} stand for something");
    auto const own = files.name.size();
    files.name = (base / files.name).string();
    files.literal = files.name.size() - own;
  }
  if (files.name.ends_with(".json")) files = {{}, 0, read_edit_index(files.name)};
  section.finish();
  return edit;
}

EditOptions read_edit(YamlSection section, std::filesystem::path const& base, std::optional<EditHparams> const& unnamed) {
  if (section.has("files")) return read_finished_edits(section, base);
  EditOptions edit;
  auto& h = edit.hparams;
  std::optional<EditMethod> method;
  if (section.has("method")) method = value_of(edit_method_names, one_of(section, "method", list_of(edit_method_names)));
  bool const given = unnamed && !section.has("hparams");
  h = given ? *unnamed : read_edit_hparams(base / section.need<std::string>("hparams"), method);
  auto const used = method.value_or(h.method);
  if (edits_in_batches(used) && used != EditMethod::ft_l) edit.facts_per_model = std::exchange(h.batch_size, 0);
  if (section.has("layer") && section.has("layers"))
    throw section.fault("layer", "is given together with 'layers'; keep one of them");
  if (section.has("layer")) h.layers = {section.need<int>("layer")};
  read_fields(section, h, false);
  read_fields(section, edit);
  if (section.has("templates")) {
    auto const file = base / section.need<std::string>("templates");
    try {
      edit.templates = detail::parse_json_file(file).get<ContextTemplates>();
    } catch (nlohmann::json::exception const&) {
      throw UserError("The file of context templates " + file.string() + " must hold a JSON list of texts.");
    }
    check_context_templates(edit.templates, file.string());
  }
  check_edited_layers(h, section.file() + ", section edit");
  section.finish();
  return edit;
}

/// "last", "all" or a list of layers that finished edits change: which do, their files say.
void read_layers_to_mask(YamlSection& section, StudyPoint& point) {
  auto const value = section.has("layers") ? section.value("layers") : YamlValue(std::string("last"));
  point.masks_all_layers = value.is("all");
  if (value.is("all") || value.is("last")) return;
  section.read("layers", point.mask.layers);
  if (point.mask.layers.empty()) throw section.fault("layers", "must name at least one edited layer");
}

/// "last", "all" or a list of edited layers.
std::vector<int> read_masked_layers(YamlSection& section, std::vector<int> const& edited) {
  if (!section.has("layers")) return {edited.back()};
  auto const value = section.value("layers");
  if (value.is("last")) return {edited.back()};
  if (value.is("all")) return edited;
  std::vector<int> layers;
  section.read("layers", layers);
  bool const fine = !layers.empty() && std::is_sorted(layers.begin(), layers.end(), std::less_equal<>()) &&
                    std::includes(edited.begin(), edited.end(), layers.begin(), layers.end());
  if (!fine) throw section.fault("layers", "must be last, all, or an ascending list of layers that edit.layers names");
  return layers;
}

/// Whether masks are trained for this method of editing.
bool read_masked(YamlSection& section, EditMethod method) {
  if (!section.has("methods") || section.value("methods").is("all")) return true;
  std::vector<std::string> names;
  section.read("methods", names);
  bool masked = false;
  for (auto const& name : names) {
    auto const value = value_of(edit_method_names, name);
    if (!value) throw section.fault("methods", "names '" + name + "'; known are " + all_names(edit_method_names));
    masked = masked || *value == method;
  }
  return masked;
}

void read_training_facts(YamlSection& section, TrainingFacts& training) {
  section.read_at_least("train_per_relation", training.per_relation, 0);
  section.read_at_least("train_models", training.models, 0);
  if (!section.has("train_relations")) return;
  auto const value = section.value("train_relations");
  if (value.is("all")) return;
  if (value.is_list()) {
    section.read("train_relations", training.relations);
  } else {
    training.relations = {section.need<std::string>("train_relations")};
  }
  std::set<std::string> const different(training.relations.begin(), training.relations.end());
  if (different.empty() || different.size() != training.relations.size())
    throw section.fault("train_relations", "must be all, or name at least one relation, and each once");
}

void read_mask(YamlSection section, StudyPoint& point, Study& study) {
  auto& mask = point.mask;
  study.masks = read_masked(section, point.edit.hparams.method);
  section.read("seed", point.mask_seed);
  bool const imported = point.edit.hparams.method == EditMethod::imported;
  if (imported) {
    read_layers_to_mask(section, point);
  } else if (study.masks || !section.has("layers")) {
    mask.layers = read_masked_layers(section, point.edit.hparams.layers);
  }
  if (section.value("train_split").is_list())
    throw section.fault("train_split", "must be a text. To train masks on several splits, sweep mask.train_split");
  section.read("train_split", point.training.split);
  read_training_facts(section, point.training);
  if (section.has("ranks") && section.need<std::string>("ranks") != "auto") {
    section.read_at_least("ranks", study.ranks_per_mask, 1);
  }
  read_fields(section, mask);
  if (mask.zeros && section.has("threshold"))
    throw section.fault("threshold", "is given together with 'zeros', which says how many entries are zero; keep one of them");
  constexpr std::int64_t most_units = 2047;  // whose integers can be added without overflow
  if (mask.batch > most_units * mask.micro_batch) throw section.fault("batch", "must be at most 2047 times 'micro_batch'");
  section.finish();
}

MomentsOptions read_moments(YamlSection section, std::filesystem::path const& base) {
  MomentsOptions moments;
  read_fields(section, moments);
  put_under(base, moments.text);
  if (!moments.ids.empty()) moments.ids = base / moments.ids;
  for (auto& [layer, file] : moments.files) file = base / file;
  section.finish();
  return moments;
}

EvaluationPlan read_evaluation(YamlSection section) {
  EvaluationPlan plan;
  read_fields(section, plan);
  section.finish();
  return plan;
}

/// What is wrong with a key that names a split of the study; empty where it has it.
std::string problem_of_split(std::vector<FactSelection> const& splits, std::string const& split) {
  if (std::any_of(splits.begin(), splits.end(), [&](auto const& s) { return s.split == split; })) return "";
  return "is '" + split +
         "', but 'facts' has no such split. It has: " + join(splits, ", ", [](auto const& s) { return s.split; });
}

void require_split(YamlSection const& section, std::vector<FactSelection> const& splits, std::string const& split) {
  if (auto const problem = problem_of_split(splits, split); !problem.empty()) throw section.fault("split", problem);
}

/// Refuses what a way of editing does not do under a mask.
void check_injection(YamlSection const& section, InjectionOptions const& inject, EditOptions const& edit) {
  auto const method = edit.hparams.method;
  auto const name = to_string(method);
  if (!searches_values(method)) {
    throw section.fault("", "edits under a mask by methods that search a value for every fact, but the study trains masks for " +
                                name + ". Name the methods in mask.methods that masks are trained for, or remove the section");
  }
  if (!edits_in_batches(method)) return;
  bool const knows_masks = method == EditMethod::memit || method == EditMethod::memit_merge;
  auto const& variants = inject.variants;
  if (!knows_masks && std::find(variants.begin(), variants.end(), InjectionVariant::adaptive) != variants.end())
    throw section.fault("variants",
                        "has 'adaptive', an update through the entries that a mask keeps, which is known for rome, "
                        "r-rome, memit and memit-merge, but not for " +
                            name + ". Choose among inject and off");
  if (inject.sequential)
    throw section.fault("sequential", "edits one fact after the other, but " + name +
                                          " writes many into a model at once. Set it "
                                          "to false, or choose rome or r-rome");
  if (edit.sequential)
    throw section.fault("",
                        "edits every batch of facts in a model of its own, but 'edit.sequential' writes them into one after "
                        "the other. Set it to false, or remove the section");
}

/// Facts of a split of the study, edited under its masks.
InjectionOptions read_injection(YamlSection section, Study const& study, EditOptions const& edit) {
  InjectionOptions inject;
  read_fields(section, inject);
  section.finish();
  require_split(section, study.facts, inject.split);
  if (study.masks) check_injection(section, inject, edit);
  return inject;
}

TracingOptions read_tracing(YamlSection section, std::vector<FactSelection> const& splits) {
  TracingOptions tracing;
  read_fields(section, tracing);
  section.finish();
  require_split(section, splits, tracing.split);
  for (auto const& field : fields_of<TracingOptions>()) {
    if (section.has(field.name) && !field.used_for(tracing))
      throw section.fault(field.name, "is of the kinds mlp and attention, which 'kinds' does not name; remove it, or name one");
  }
  return tracing;
}

/// A study that edits nothing: all else is of edited models, but for the batches in which known facts are found.
void refuse_more_than_tracing(YamlSection& root, Study const& study) {
  for (auto const* key : {"mask", "inject", "analysis", "evaluation", "perplexity", "moments", "published", "sweep"}) {
    if (!root.has(key) || root.value(key).is("none")) continue;
    bool const is_for_known =
        key == std::string_view("evaluation") && root.section(key).keys() == std::vector<std::string>{"batch"};
    if (!is_for_known) throw root.fault(key, "is of edits, but the study makes none (edit: none); remove one of the two");
  }
  if (!study.tracing) {
    throw root.fault("edit",
                     "is none, and there is no section 'tracing', so the study would do nothing; edit facts, or trace them");
  }
}

/// What is looked at inside of models of a split's facts.
AnalysisOptions read_analysis(YamlSection section, Study const& study) {
  AnalysisOptions analysis;
  read_fields(section, analysis);
  section.finish();
  require_split(section, study.facts, analysis.split);
  if (!analysis.contributions) {
    for (auto const& [key, asked] :
         {std::pair("sources", analysis.sources), std::pair("inner_units", analysis.inner_units > 0)}) {
      if (asked) throw section.fault(key, "is a part of 'contributions', which is off; turn both on, or both off");
    }
  }
  if (analysis.heads && !analysis.contributions && !analysis.attention)
    throw section.fault("heads", "is a part of 'contributions' and 'attention', which are off; turn one of them on");
  bool const asks = asks_for_models(analysis) || analysis.dimensions > 0;
  if (!asks) throw section.fault("", "asks for nothing; turn something on, or remove the section");
  return analysis;
}

PerplexityOptions read_perplexity(YamlSection section, std::filesystem::path const& base) {
  PerplexityOptions perplexity;
  read_fields(section, perplexity);
  put_under(base, perplexity.text);
  if (!perplexity.ids.empty()) perplexity.ids = base / perplexity.ids;
  section.finish();
  if (!perplexity.asked() && !section.keys().empty()) throw section.fault("text", "is missing");
  if (!perplexity.text.empty() && !perplexity.ids.empty())
    throw section.fault("ids", "is given together with 'text'; keep one of them");
  return perplexity;
}

/// The names of splits that figures may be of. Which ones masks are trained on is known with the whole sweep.
std::vector<std::string> published_splits(Study const& study) {
  std::vector<std::string> names{validation_split, every_split};
  for (auto const& selection : study.facts) {
    names.push_back(selection.split);
    names.push_back(selection.split + and_validation);
  }
  return names;
}

Published read_published(YamlSection section, std::vector<std::string> const& splits, std::string const& file) {
  Published published;
  if (section.keys().empty()) return published;
  published.source = section.need<std::string>("source");
  auto const list = section.value("figures");
  section.finish();
  if (!list.is_list()) throw section.fault("figures", "must be a list of figures");
  auto const figures = list.elements();
  for (std::size_t i = 0; i < figures.size(); ++i) {
    YamlSection part(figures[i], file, fmt::format("published.figures[{}].", i));
    PublishedFigure figure;
    figure.split = one_of(part, "split", splits);
    figure.model = one_of(part, "model", list_of(condition_kind_names));
    figure.metric = one_of(part, "metric", published_metrics());
    if (figure.split.ends_with(and_validation) && (figure.metric == "score" || figure.metric == "perplexity"))
      throw part.fault("split", "is of two splits, of which no " + figure.metric + " is taken; name one of them");
    figure.value = part.need<double>("value");
    if (!std::isfinite(figure.value)) throw part.fault("value", "must be a finite number");
    part.read("note", figure.note);
    part.finish();
    published.figures.push_back(std::move(figure));
  }
  return published;
}

}  // namespace

std::vector<std::string> const& published_metrics() {
  static std::vector<std::string> const metrics{"rsr", "success", "score", "top1_changed", "zeros", "kl", "perplexity"};
  return metrics;
}

Study read_sections(YAML::Node const& document, std::string const& file, std::filesystem::path const& base,
                    std::optional<EditHparams> const& edit) {
  YamlSection root(document, file, "");
  Study study;
  study.base = base;
  study.name = root.need<std::string>("name");
  study.model = read_model(root.section("model"), base);
  study.facts = read_facts(root.section("facts"));
  if (root.has("tracing")) study.tracing = read_tracing(root.section("tracing"), study.facts);
  root.read("peer_compatible", study.peer_compatible);
  study.masks = false;
  if (root.value("edit").is("none")) {
    refuse_more_than_tracing(root, study);
    study.evaluation = read_evaluation(root.section("evaluation"));
    root.finish();
    return study;
  }
  study.moments = read_moments(root.section("moments"), base);
  study.evaluation = read_evaluation(root.section("evaluation"));
  study.perplexity = read_perplexity(root.section("perplexity"), base);
  root.has("sweep");
  StudyPoint point;
  point.edit = read_edit(root.section("edit"), base, edit);
  if (!root.value("mask").is("none")) read_mask(root.section("mask"), point, study);
  point.masked = study.masks;
  study.published = read_published(root.section("published"), published_splits(study), file);
  if (root.has("inject")) study.inject = read_injection(root.section("inject"), study, point.edit);
  if (root.has("analysis")) study.analysis = read_analysis(root.section("analysis"), study);
  auto const& moments = study.moments;
  if (needs_moments(point.edit.hparams) && moments.text.empty() && moments.ids.empty() && moments.files.empty()) {
    throw UserError(
        "The study " + file + ": editing with " + to_string(point.edit.hparams.method) +
        " needs second moments of keys, but the study has no section 'moments'. Add it with 'text', 'ids' or 'files'.");
  }
  point.mask.leading_space = study.peer_compatible;
  root.finish();
  auto const problem = problem_of_split(study.facts, point.training.split);
  if (study.masks && !problem.empty()) throw UserError("The study " + file + ": 'mask.train_split' " + problem + ".");
  study.points.push_back(std::move(point));
  return study;
}

}  // namespace onemask
