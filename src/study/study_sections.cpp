#include "study/study_sections.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/yaml_section.hpp>

#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// Whether a number is finite and above 0.
bool is_positive(double value) {
  return value > 0 && std::isfinite(value);
}

ModelOptions read_model(YamlSection section, std::filesystem::path const& base) {
  ModelOptions model;
  model.checkpoint = base / section.need<std::string>("checkpoint");
  section.read("device", model.device);
  section.read("dtype", model.dtype);
  section.read("products", model.products);
  section.read_at_least("threads", model.threads, 1);
  section.finish();
  return model;
}

void read_optional(YamlSection& section, char const* key, std::optional<std::size_t>& value) {
  if (!section.has(key)) return;
  std::size_t number = 0;
  section.read(key, number);
  value = number;
}

std::vector<std::string> one_or_many(YAML::Node const& node) {
  return node.IsScalar() ? std::vector<std::string>{node.as<std::string>()} : node.as<std::vector<std::string>>();
}

std::vector<FactSelection> read_facts(YamlSection section) {
  std::vector<FactSelection> selections;
  for (auto const& split : section.keys()) {
    if (split == "validation")
      throw section.fault(split, "is the name of the facts held back from training; give the split another name");
    auto part = section.section(split);
    FactSelection selection;
    selection.split = split;
    if (!part.has("files")) throw part.fault("files", "is missing");
    try {
      selection.files = one_or_many(part.node("files"));
    } catch (YAML::Exception const&) {
      throw part.fault("files", "must be a file name or a list of file names");
    }
    part.read("relations", selection.relations);
    read_optional(part, "per_relation", selection.per_relation);
    read_optional(part, "offset_per_relation", selection.offset_per_relation);
    read_optional(part, "limit", selection.limit);
    part.read("shuffle", selection.shuffle);
    part.read("seed", selection.seed);
    part.finish();
    selections.push_back(std::move(selection));
  }
  if (selections.empty()) throw section.fault("", "must name at least one split");
  return selections;
}

EditOptions read_edit(YamlSection section, std::filesystem::path const& base) {
  EditOptions edit;
  edit.hparams = read_edit_hparams(base / section.need<std::string>("hparams"));
  auto& h = edit.hparams;
  if (section.has("method")) {
    try {
      h.method = parse_edit_method(section.need<std::string>("method"));
    } catch (UserError const& e) {
      throw section.fault("method", e.what());
    }
  }
  if (section.has("layer") && section.has("layers"))
    throw section.fault("layer", "is given together with 'layers'; keep one of them");
  if (section.has("layer")) h.layers = {section.need<int>("layer")};
  section.read("layers", h.layers);
  section.read("v_num_grad_steps", h.v_num_grad_steps);
  section.read("v_lr", h.v_lr);
  section.read("v_loss_layer", h.v_loss_layer);
  section.read("v_weight_decay", h.v_weight_decay);
  section.read("clamp_norm_factor", h.clamp_norm_factor);
  section.read("kl_factor", h.kl_factor);
  section.read("mom2_adjustment", h.mom2_adjustment);
  section.read("mom2_update_weight", h.mom2_update_weight);
  section.read("emmet_lambda", h.emmet_lambda);
  section.read("nullspace_threshold", h.nullspace_threshold);
  section.read("L2", h.l2);
  section.read("num_steps", h.num_steps);
  section.read("lr", h.lr);
  section.read("weight_decay", h.weight_decay);
  section.read("norm_constraint", h.norm_constraint);
  section.read("context_template_length_params", h.context_template_length_params);
  section.read("template_seed", edit.template_seed);
  section.read_at_least("batch", edit.batch, 1);
  section.read_at_least("facts_per_model", edit.facts_per_model, 0);
  section.read("sequential", edit.sequential);
  if (section.has("templates")) {
    auto const file = base / section.need<std::string>("templates");
    try {
      edit.templates = nlohmann::json::parse(read_file(file)).get<ContextTemplates>();
    } catch (nlohmann::json::exception const&) {
      throw UserError("The file of context templates " + file.string() + " must hold a JSON list of texts.");
    }
    check_context_templates(edit.templates, file.string());
  }
  check_edit_hparams(h, section.file() + ", section edit");
  section.finish();
  return edit;
}

/// "last", "all" or a list of edited layers.
std::vector<int> read_masked_layers(YamlSection& section, std::vector<int> const& edited) {
  if (!section.has("layers")) return {edited.back()};
  auto const node = section.node("layers");
  if (node.IsScalar() && node.Scalar() == "last") return {edited.back()};
  if (node.IsScalar() && node.Scalar() == "all") return edited;
  std::vector<int> layers;
  section.read("layers", layers);
  bool const fine = !layers.empty() && std::is_sorted(layers.begin(), layers.end(), std::less_equal<>()) &&
                    std::includes(edited.begin(), edited.end(), layers.begin(), layers.end());
  if (!fine) throw section.fault("layers", "must be last, all, or an ascending list of layers that edit.layers names");
  return layers;
}

/// Whether masks are trained for this method of editing.
bool read_masked(YamlSection& section, EditMethod method) {
  if (!section.has("methods")) return true;
  std::vector<std::string> names;
  section.read("methods", names);
  try {
    std::set<EditMethod> methods;
    for (auto const& name : names) methods.insert(parse_edit_method(name));
    return methods.contains(method);
  } catch (UserError const& e) {
    throw section.fault("methods", e.what(), "");
  }
}

void read_mask(YamlSection section, StudyPoint& point, Study& study) {
  auto& mask = point.mask;
  study.masks = read_masked(section, point.edit.hparams.method);
  section.read("seed", point.mask_seed);
  if (study.masks || !section.has("layers")) mask.layers = read_masked_layers(section, point.edit.hparams.layers);
  section.read("train_split", study.train_split);
  if (section.has("ranks") && section.need<std::string>("ranks") != "auto") {
    section.read_at_least("ranks", study.ranks_per_mask, 1);
  }
  section.read_at_least("epochs", mask.epochs, 1);
  section.read_at_least("batch", mask.batch, 1);
  section.read_at_least("micro_batch", mask.micro_batch, 1);
  constexpr int most_units = 2047;  // whose integers can be added without overflow
  if (mask.batch / mask.micro_batch > most_units) throw section.fault("batch", "must be at most 2047 times 'micro_batch'");
  section.read("learning_rate", mask.learning_rate);
  section.read("weight_decay", mask.weight_decay);
  section.read("max_gradient_norm", mask.max_gradient_norm);
  if (!(mask.max_gradient_norm > 0)) throw section.fault("max_gradient_norm", "must be above 0; .inf does not clip");
  section.read("init_mean", mask.init_mean);
  section.read("init_deviation", mask.init_deviation);
  section.read("tau0", mask.tau0);
  section.read("tau_decay", mask.tau_decay);
  section.read("margin", mask.margin);
  section.read("sparsity_target", mask.sparsity_target);
  section.read("sparsity_weight0", mask.sparsity_weight0);
  section.read("sparsity_weight1", mask.sparsity_weight1);
  section.read("distillation_weight", mask.distillation_weight);
  section.read("temperature0", mask.temperature0);
  section.read("temperature1", mask.temperature1);
  section.read("threshold", mask.threshold);
  section.read("validation_share", mask.validation_share);
  section.read_at_least("checkpoint_every", mask.checkpoint_every, 1);
  std::string restoration = to_string(mask.restoration), schedule = to_string(mask.temperature_schedule);
  section.read("restoration", restoration);
  section.read("temperature_schedule", schedule);
  try {
    mask.restoration = parse_restoration(restoration);
    mask.temperature_schedule = parse_temperature_schedule(schedule);
  } catch (UserError const& e) {
    throw section.fault("", e.what());
  }
  if (!is_positive(mask.learning_rate)) throw section.fault("learning_rate", "must be positive");
  if (!(mask.threshold > 0 && mask.threshold < 1)) throw section.fault("threshold", "must lie between 0 and 1");
  if (!(mask.validation_share >= 0 && mask.validation_share < 1))
    throw section.fault("validation_share", "must be at least 0 and under 1");
  if (!is_positive(mask.tau0) || !is_positive(mask.tau_decay) || !is_positive(mask.temperature0) ||
      !is_positive(mask.temperature1)) {
    throw section.fault("tau0", "and 'tau_decay', 'temperature0' and 'temperature1' must be positive");
  }
  section.finish();
}

/// File names, with "*" and "?", under `base`.
std::vector<std::filesystem::path> read_paths(YamlSection& section, char const* key, std::filesystem::path const& base) {
  std::vector<std::filesystem::path> paths;
  if (!section.has(key)) return paths;
  try {
    for (auto const& name : one_or_many(section.node(key))) paths.push_back(base / name);
  } catch (YAML::Exception const&) {
    throw section.fault(key, "must be a file name or a list of file names");
  }
  return paths;
}

MomentsOptions read_moments(YamlSection section, std::filesystem::path const& base) {
  MomentsOptions moments;
  moments.text = read_paths(section, "text", base);
  if (section.has("ids")) moments.ids = base / section.need<std::string>("ids");
  section.read_at_least("tokens", moments.tokens, std::int64_t{0});
  section.read_at_least("segment", moments.segment, 0);
  if (section.has("files")) {
    std::map<int, std::string> files;
    section.read("files", files);
    for (auto const& [layer, file] : files) moments.files[layer] = base / file;
  }
  section.finish();
  return moments;
}

EvaluationPlan read_evaluation(YamlSection section) {
  static std::set<std::string> const known{"random", "magnitude", "delta_magnitude"};
  EvaluationPlan plan;
  section.read_at_least("batch", plan.batch, 1);
  section.read("baselines", plan.baselines);
  section.read("paraphrases", plan.paraphrases);
  section.read("neighborhood", plan.neighborhood);
  section.read("masked_original", plan.masked_original);
  for (auto const& name : plan.baselines) {
    if (!known.contains(name))
      throw section.fault("baselines", "names '" + name + "'; known are random, magnitude and delta_magnitude");
    if (std::count(plan.baselines.begin(), plan.baselines.end(), name) > 1)
      throw section.fault("baselines", "names '" + name + "' twice");
  }
  section.finish();
  return plan;
}

PerplexityOptions read_perplexity(YamlSection section, std::filesystem::path const& base) {
  PerplexityOptions perplexity;
  perplexity.text = read_paths(section, "text", base);
  section.read_at_least("tokens", perplexity.tokens, std::int64_t{0});
  section.read_at_least("segment", perplexity.segment, std::int64_t{0});
  section.read_at_least("stride", perplexity.stride, std::int64_t{0});
  section.finish();
  if (perplexity.text.empty() && !section.keys().empty()) throw section.fault("text", "is missing");
  return perplexity;
}

std::string one_of(YamlSection& section, char const* key, std::vector<std::string> const& known) {
  auto const value = section.need<std::string>(key);
  if (std::find(known.begin(), known.end(), value) != known.end()) return value;
  std::string names;
  for (auto const& name : known) names += (names.empty() ? "" : ", ") + name;
  throw section.fault(key, "is '" + value + "'; known are " + names);
}

Published read_published(YamlSection section, std::vector<FactSelection> const& splits, std::string const& file) {
  Published published;
  if (section.keys().empty()) return published;
  published.source = section.need<std::string>("source");
  auto const figures = section.node("figures");
  section.finish();
  if (!figures || !figures.IsSequence()) throw section.fault("figures", "must be a list of figures");
  std::vector<std::string> names{"validation", "all"};
  for (auto const& split : splits) names.push_back(split.split);
  for (std::size_t i = 0; i < figures.size(); ++i) {
    YamlSection part(figures[i], file, "published.figures[" + std::to_string(i) + "].");
    PublishedFigure figure;
    figure.split = one_of(part, "split", names);
    figure.model =
        one_of(part, "model", {"original", "edited", "mask", "random", "magnitude", "delta_magnitude", "original_masked"});
    figure.metric = one_of(part, "metric", {"rsr", "success", "score", "top1_changed", "zeros", "kl", "perplexity"});
    figure.value = part.need<double>("value");
    if (!std::isfinite(figure.value)) throw part.fault("value", "must be a finite number");
    part.read("note", figure.note);
    part.finish();
    published.figures.push_back(std::move(figure));
  }
  return published;
}

}  // namespace

Study read_sections(YAML::Node const& document, std::string const& file, std::filesystem::path const& base) {
  YamlSection root(document, file, "");
  Study study;
  study.base = base;
  study.name = root.need<std::string>("name");
  study.model = read_model(root.section("model"), base);
  study.facts = read_facts(root.section("facts"));
  study.moments = read_moments(root.section("moments"), base);
  study.evaluation = read_evaluation(root.section("evaluation"));
  study.perplexity = read_perplexity(root.section("perplexity"), base);
  study.published = read_published(root.section("published"), study.facts, file);
  root.read("peer_compatible", study.peer_compatible);
  root.has("sweep");
  StudyPoint point;
  point.edit = read_edit(root.section("edit"), base);
  auto const mask = root.node("mask");
  study.masks = false;
  if (!(mask && mask.IsScalar() && mask.Scalar() == "none")) read_mask(root.section("mask"), point, study);
  point.masked = study.masks;
  auto const& moments = study.moments;
  if (needs_moments(point.edit.hparams) && moments.text.empty() && moments.ids.empty() && moments.files.empty()) {
    throw UserError(
        "The study " + file + ": editing with " + to_string(point.edit.hparams.method) +
        " needs second moments of keys, but the study has no section 'moments'. Add it with 'text', 'ids' or 'files'.");
  }
  point.mask.leading_space = study.peer_compatible;
  root.finish();
  bool const known =
      std::any_of(study.facts.begin(), study.facts.end(), [&](auto const& s) { return s.split == study.train_split; });
  if (study.masks && !known)
    throw UserError("The study " + file + ": 'mask.train_split' is '" + study.train_split + "', but 'facts' has no such split.");
  study.points.push_back(std::move(point));
  return study;
}

}  // namespace onemask
