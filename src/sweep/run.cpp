#include "sweep/gather.hpp"
#include "sweep/run_context.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/log.hpp>
#include <onemask/store/run_folder.hpp>
#include <onemask/sweep/moments.hpp>

#include <map>
#include <optional>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// The context templates of a study point: given, or sampled from the model once and kept as an object. Rank 0 samples.
ContextTemplates templates_of(RunContext const& run, EditOptions const& edit) {
  if (!edit.templates.empty()) return edit.templates;
  Hasher hasher;
  hasher.text("templates")
      .text(run.model->fingerprint())
      .text(run.tokenizer.fingerprint())
      .integer(static_cast<long long>(edit.template_seed));
  for (auto const& [length, count] : edit.hparams.context_template_length_params) hasher.integer(length).integer(count);
  auto const key = hasher.hex();
  std::string bytes;
  agree(run.world, [&] {
    if (!run.is_root()) return;
    if (auto stored = run.objects.get(key)) {
      bytes = *stored;
      return;
    }
    auto const sampled =
        sample_context_templates(*run.model, run.tokenizer, edit.hparams.context_template_length_params, edit.template_seed);
    bytes = nlohmann::json(sampled).dump();
    run.objects.put(key, bytes);
  });
  return nlohmann::json::parse(run.world.broadcast(std::move(bytes), 0)).get<ContextTemplates>();
}

/// What would otherwise be found out only after hours of work.
void check(Study const& study, RunOptions const& options, CausalLM const& model, Tokenizer const& tokenizer, int ranks) {
  auto const asked = study.ranks_per_mask;
  if (!options.only_gather && options.last >= Stage::mask && asked > ranks) {
    throw UserError("The study asks for " + std::to_string(asked) + " ranks per mask (mask.ranks), but the run has " +
                    std::to_string(ranks) + (ranks == 1 ? " rank" : " ranks") + ". Start more ranks or set mask.ranks to auto.");
  }
  if (tokenizer.vocabulary_size() > model.config().vocabulary) {
    throw UserError("The tokenizer in " + study.model.checkpoint.string() + " has token ids up to " +
                    std::to_string(tokenizer.vocabulary_size() - 1) + ", but the model there knows only " +
                    std::to_string(model.config().vocabulary) + " tokens. Use the tokenizer that belongs to the model.");
  }
  auto const where = "The study '" + study.name + "'";
  for (auto const& point : study.points) {
    for (auto layer : point.edit.hparams.layers) require_layer(model, layer, where);
    for (auto const& [length, count] : point.edit.hparams.context_template_length_params) {
      if (!point.edit.templates.empty() || length < model.config().positions) continue;
      throw UserError(where + " asks for context templates of " + std::to_string(length) +
                      " tokens (context_template_length_params), but the model has " + std::to_string(model.config().positions) +
                      " positions. Ask for shorter ones.");
    }
  }
}

/// Freezes the plan in the run's folder, or holds this start against the plan that is frozen there.
void freeze(RunContext const& run) {
  auto const file = run.options.folder / "plan.json";
  if (!std::filesystem::exists(file)) {
    nlohmann::json const plan{{"id", run.plan.id},
                              {"study", run.study.resolved},
                              {"facts", run.plan.facts.size()},
                              {"edit_batches", run.plan.edits.size()},
                              {"batch_edits", run.plan.solves.size()},
                              {"masks", run.plan.masks.size()},
                              {"evaluation_batches", run.plan.evaluations.size()},
                              {"perplexity_pieces", run.plan.text_tasks.size()}};
    write_file_atomically(file, plan.dump(2) + "\n");
    return;
  }
  std::string id;
  try {
    id = nlohmann::json::parse(read_file(file)).at("id").get<std::string>();
  } catch (nlohmann::json::exception const&) {
    throw UserError("The plan " + file.string() + " is not a plan of onemask. Use another folder for --out.");
  }
  if (id != run.plan.id) {
    throw UserError("The folder " + run.options.folder.string() + " holds a run of another study (plan " + id.substr(0, 12) +
                    ", this one is " + run.plan.id.substr(0, 12) +
                    "): the study, its facts, its model, or the threads per rank differ. Use another folder for --out; finished "
                    "edits and masks "
                    "are found again when both runs name the same --objects folder.");
  }
}

Plan agreed_plan(RunContext const& run) {
  std::vector<TextPiece> const text(run.text.begin(), run.text.end());
  std::vector<ContextTemplates> templates;
  for (auto const& point : run.study.points) templates.push_back(templates_of(run, point.edit));
  Plan plan;
  agree(run.world, [&] {
    auto const layers = moment_layers(run.study);
    auto const moments = layers.empty() ? std::map<int, std::string>() : moment_keys(run.study.moments, layers, run.fingerprints);
    plan = make_plan(run.study, run.fingerprints, templates, moments, text);
  });
  for (auto const& id : run.world.all_gather(plan.id)) {
    if (id != plan.id)
      throw UserError("The ranks see different studies, facts or models. All nodes need the same files under the same paths.");
  }
  return plan;
}

}  // namespace

RunOutcome run_study(Environment const& environment, Study const& study, RunOptions const& options) {
  auto const world = environment.world();
  auto const folder = options.folder;
  std::optional<RunLock> lock;
  agree(world, [&] {
    if (world.rank() != 0) return;
    std::filesystem::create_directories(folder / "journal");
    std::filesystem::create_directories(folder / "logs");
    lock.emplace(folder);
  });
  open_log_file(folder / "logs" / ("rank-" + std::to_string(world.rank()) + ".log"));
  agree(world, [&] {
    set_threads(study.model.threads);
    set_product_precision(study.model.products);
  });

  std::optional<RunContext> context;
  auto placement = Placement{c10::kCPU, c10::kFloat};
  agree(world, [&] {
    placement = parse_placement(study.model.device, study.model.dtype, environment.local_rank());
    use_repeatable_sums(placement.device);
    context.emplace(RunContext{environment,
                               world,
                               study,
                               options,
                               ObjectStore(options.objects.empty() ? folder / "objects" : options.objects),
                               load_causal_lm(Checkpoint::open(study.model.checkpoint), placement),
                               Tokenizer::open(study.model.checkpoint),
                               {},
                               {},
                               {},
                               {}});
    auto const& m = study.model;
    context->fingerprints = {context->model->fingerprint(), context->tokenizer.fingerprint(),
                             execution_of(placement, m.dtype, m.products, m.threads)};
    check(study, options, *context->model, context->tokenizer, world.size());
    context->text = read_text(study.perplexity, context->tokenizer, context->model->config());
  });
  auto& run = *context;
  run.plan = agreed_plan(run);
  agree(world, [&] {
    if (run.is_root()) freeze(run);
  });
  auto const attempt = std::stoi(world.broadcast(std::to_string(world.rank() == 0 ? next_attempt(folder / "journal") : 0), 0));
  agree(world, [&] { run.journal = std::make_unique<Journal>(folder / "journal", world.rank(), attempt); });
  log_info("plan " + run.plan.id.substr(0, 12) + ": " + std::to_string(run.plan.facts.size()) + " facts, " +
           std::to_string(run.plan.sets.size()) + " way(s) of editing, " + std::to_string(run.plan.masks.size()) + " masks, " +
           std::to_string(world.size()) + " ranks");

  if (!options.only_gather) {
    edit_stage(run);
    if (study.masks && options.last >= Stage::mask) mask_stage(run);
    if (options.last >= Stage::evaluate) evaluation_stage(run);
    if (options.last >= Stage::evaluate && !run.text.empty()) perplexity_stage(run);
  }
  RunOutcome outcome{!options.only_gather, {}};
  if (options.only_gather || options.last == Stage::gather) {
    outcome.study_file = folder / "study.h5";
    std::int64_t complete = 0;
    agree(world, [&] {
      if (!run.is_root()) return;
      auto const file = gather(run);
      write_study_file(outcome.study_file, file);
      complete = file.attributes.at("status") == "COMPLETE";
    });
    outcome.complete = world.all_reduce_max(complete) != 0;
  }
  return outcome;
}

}  // namespace onemask
