#include "sweep/open_run.hpp"

#include "sweep/finished_files.hpp"
#include "sweep/rank_devices.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/edit/context_templates.hpp>
#include <onemask/edit/value_search.hpp>
#include <onemask/moments/moments.hpp>
#include <onemask/settings/fingerprints.hpp>
#include <onemask/work/check_facts.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// The context templates of a study point: given, or sampled from the model once and kept as an object. Rank 0 samples, on the
/// kind of device that the tasks are done on, for the bits of its numbers decide. Nothing where that is not to be seen here. FT-L
/// and imported edits have none.
std::optional<ContextTemplates> templates_of(Communicator const& world, OpenRun& run, EditOptions const& edit) {
  if (!searches_values(edit.hparams.method)) return ContextTemplates{"{}"};
  if (!edit.templates.empty()) return edit.templates;
  Hasher hasher;
  begin_key(hasher, "templates", run.fingerprints);
  hasher.integer(static_cast<long long>(edit.template_seed));
  for (auto const& [length, count] : edit.hparams.context_template_length_params) hasher.integer(length).integer(count);
  auto const key = hasher.hex();
  run.inputs.insert(key);
  std::string bytes;
  agree(world, [&] {
    if (world.rank() != 0) return;
    if (auto stored = run.objects.get(key)) {
      bytes = *stored;
    } else if (run.is_able()) {
      auto const sampled =
          sample_context_templates(*run.model, run.tokenizer, edit.hparams.context_template_length_params, edit.template_seed);
      bytes = nlohmann::json(sampled).dump();
      run.objects.put(key, bytes);
    }
  });
  bytes = world.broadcast(std::move(bytes), 0);
  if (bytes.empty()) return std::nullopt;
  return nlohmann::json::parse(bytes).get<ContextTemplates>();
}

/// Whether second moments are computed to be inverted, which those of fewer tokens than they are wide cannot be.
bool inverts_moments(MomentsOptions const& moments, EditHparams const& hparams) {
  bool const inverts = needs_moments(hparams) && hparams.method != EditMethod::alphaedit;
  auto const is_given = [&](int layer) { return moments.files.contains(layer); };
  return inverts && !std::all_of(hparams.layers.begin(), hparams.layers.end(), is_given);
}

void require_invertible(MomentsOptions const& moments, EditHparams const& hparams, ModelConfig const& config) {
  bool const few = moments.tokens > 0 && moments.tokens < config.inner;
  if (!few || !inverts_moments(moments, hparams)) return;
  throw UserError(
      fmt::format("Second moments of {} tokens (moments.tokens) are too few for {}: at least {} are needed, as many as "
                  "the MLP is wide. Ten times as many are a good start.",
                  moments.tokens, to_string(hparams.method), config.inner));
}

/// Whether a hparams file was made for a model like this one, as far as it says so.
void require_module(EditHparams const& hparams, CausalLM const& model, std::string const& where) {
  auto name = model.projection(hparams.layer()).name;
  if (name.ends_with(".weight")) name.resize(name.size() - 7);
  auto const own = name.substr(name.rfind('.') + 1);
  if (hparams.module.empty() || hparams.module == own) return;
  throw UserError(
      fmt::format("{}: its hparams file edits the matrix '{}' (rewrite_module_tmp), but that of this model is '{}'. The file "
                  "belongs to another model. Use one for this model, or remove the line.",
                  where, hparams.module, own));
}

/// What would otherwise be found out only after hours of work.
void check(Study const& study, CausalLM const& model, Tokenizer const& tokenizer) {
  static_cast<void>(tokenizer.adds_bos());  // or says why nothing can stand around a text as the files have it
  auto const where = "The study '" + study.name + "'";
  auto const rank = std::min(model.config().hidden, model.config().inner);
  for (auto const& baseline : study.evaluation.baselines) {
    if (baseline.score != BaselineScore::bottom_rank || *baseline.amount <= static_cast<double>(rank)) continue;
    throw UserError(
        fmt::format("{}: the baseline '{}' of 'evaluation.baselines' removes more components than a matrix of this "
                    "model has, which are {}.",
                    where, describe(baseline), rank));
  }
  auto const layers = static_cast<int>(model.config().layers);
  if (study.tracing && has_all_layers(*study.tracing, layers)) {
    throw UserError(
        fmt::format("{}: a window of {} layers (tracing.window) around any layer has all {} layers of this model, so it tells "
                    "none from another. Choose about a fifth of the layers.",
                    where, window_of(*study.tracing, layers), layers));
  }
  for (auto const& point : study.points) {
    for (auto layer : point.edit.hparams.layers) require_layer(model, layer, where);
    require_module(point.edit.hparams, model, where);
    if (searches_values(point.edit.hparams.method)) require_loss_layer(model, point.edit.hparams);
    require_linear_spread(model, point.edit.hparams);
    require_invertible(study.moments, point.edit.hparams, model.config());
    for (auto const& [length, count] : point.edit.hparams.context_template_length_params) {
      if (point.edit.templates.empty() && searches_values(point.edit.hparams.method))
        require_template_length(model.config(), tokenizer, length);
    }
  }
}

/// Plans the study for these facts, the same on all ranks.
void add_plan(Communicator const& world, Study const& study, SelectedFacts selected, OpenRun& run) {
  std::vector<TextPiece> const text(run.text.begin(), run.text.end());
  std::vector<ContextTemplates> templates;
  std::map<std::string, std::size_t> place;  // by the swept edit keys
  for (auto const& point : study.points) {
    auto const [known, is_new] = place.try_emplace(point.edits, templates.size());
    if (!is_new) {
      templates.push_back(templates[known->second]);
      continue;
    }
    auto const found = templates_of(world, run, point.edit);
    if (!found) run.missing.insert("context templates");
    templates.push_back(found.value_or(ContextTemplates{"{}"}));
  }
  auto const finished = find_finished_edits(world, study, selected.facts, *run.model);
  agree(world, [&] {
    auto const layers = moment_layers(study);
    auto const moments = layers.empty() ? std::map<int, std::string>() : moment_keys(study.moments, layers, run.fingerprints);
    run.plan = make_plan(study, std::move(selected), run.fingerprints, templates, moments, text, finished);
    run.plan.out = run.model->config().hidden;
    run.plan.in = run.model->config().inner;
    run.plan.layers = static_cast<int>(run.model->config().layers);
  });
  for (auto const& id : world.all_gather(run.plan.id)) {
    if (id != run.plan.id)
      throw UserError("The ranks see different studies, facts or models. All nodes need the same files under the same paths.");
  }
}

}  // namespace

LoadedModel load_model(Environment const& environment, Study const& study, Tasks tasks) {
  auto const world = environment.world();
  auto const& m = study.model;
  agree(world, [&] {
    set_threads(m.threads);
    set_product_precision(m.products);
  });
  auto const placement = place_rank(environment, m, tasks);
  std::optional<LoadedModel> loaded;
  agree(world, [&] {
    auto const worker = m.device.starts_with("cuda") ? c10::kCUDA : placement.device.type();
    auto model = load_causal_lm(Checkpoint::open(m.checkpoint), placement);
    auto tokenizer = Tokenizer::open(m.checkpoint).within(model->config().vocabulary);
    check(study, *model, tokenizer);
    Fingerprints fingerprints{model->fingerprint(), tokenizer.fingerprint(),
                              execution_of(worker, m.dtype, m.products, m.threads)};
    loaded.emplace(LoadedModel{std::move(model), std::move(tokenizer), std::move(fingerprints), worker});
  });
  return *std::move(loaded);
}

FactScoring scoring_of(Communicator const& world, Study const& study, LoadedModel const& loaded, ObjectStore const* objects) {
  return {.world = world,
          .study = study,
          .fingerprints = loaded.fingerprints,
          .model = *loaded.model,
          .tokenizer = loaded.tokenizer,
          .objects = objects,
          .is_able = loaded.is_able(),
          .must_stop = interrupted};
}

OpenRun open_run(Environment const& environment, Study const& study, RunOptions const& options, Tasks tasks) {
  auto const start = std::chrono::steady_clock::now();
  auto const world = environment.world();
  auto loaded = load_model(environment, study, tasks);
  std::optional<OpenRun> run;
  agree(world, [&] {
    auto text = read_text(study.perplexity, loaded.tokenizer, loaded.model->config());
    ObjectStore objects(options.objects_folder(), true, kind_of_numbers(loaded.model->device()));
    run.emplace(OpenRun{std::move(loaded), std::move(objects), std::move(text)});
  });
  auto scoring = scoring_of(world, study, *run, &run->objects);
  scoring.part = options.shard.index;
  scoring.parts = options.shard.count;
  scoring.must_stop = [&] {
    std::chrono::duration<double> const spent = std::chrono::steady_clock::now() - start;
    return interrupted() || (options.time_limit > 0 && spent.count() > options.time_limit);
  };
  auto found = find_facts(scoring);
  run->inputs = std::move(found.objects);
  if (!found.scored) run->missing.insert("scores of facts that the model may know");
  add_plan(world, study, std::move(found.selected), *run);
  agree(world, [&] {
    if (world.rank() != 0) return;
    check_facts(study, run->plan, run->tokenizer, run->model->config());
    bool const inverts = std::any_of(study.points.begin(), study.points.end(),
                                     [&](auto const& point) { return inverts_moments(study.moments, point.edit.hparams); });
    check_moments(study.moments, run->plan.moments, *run->model, run->tokenizer, inverts ? run->model->config().inner : 0,
                  run->objects);
  });
  return *std::move(run);
}

}  // namespace onemask
