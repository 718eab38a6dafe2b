#include "sweep/open_run.hpp"

#include "sweep/object_keys.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/comm/computing.hpp>
#include <onemask/core/error.hpp>
#include <onemask/sweep/moments.hpp>

#include <map>
#include <optional>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// The context templates of a study point: given, or sampled from the model once and kept as an object. Rank 0 samples, on the
/// kind of device that the tasks are done on, for the bits of its numbers decide. Nothing where that is not to be seen here.
std::optional<ContextTemplates> templates_of(RunContext& run, EditOptions const& edit) {
  if (!edit.templates.empty()) return edit.templates;
  Hasher hasher;
  begin_key(hasher, "templates", run.fingerprints);
  hasher.integer(static_cast<long long>(edit.template_seed));
  for (auto const& [length, count] : edit.hparams.context_template_length_params) hasher.integer(length).integer(count);
  auto const key = hasher.hex();
  run.templates.insert(key);
  std::string bytes;
  agree(run.world, [&] {
    if (!run.is_root()) return;
    if (auto stored = run.objects.get(key)) {
      bytes = *stored;
    } else if (run.on_gpus == run.model->device().is_cuda()) {
      auto const sampled =
          sample_context_templates(*run.model, run.tokenizer, edit.hparams.context_template_length_params, edit.template_seed);
      bytes = nlohmann::json(sampled).dump();
      run.objects.put(key, bytes);
    }
  });
  bytes = run.world.broadcast(std::move(bytes), 0);
  if (bytes.empty()) return std::nullopt;
  return nlohmann::json::parse(bytes).get<ContextTemplates>();
}

/// What would otherwise be found out only after hours of work.
void check(Study const& study, CausalLM const& model, Tokenizer const& tokenizer) {
  tokenizer.require_within(model.config().vocabulary);
  auto const where = "The study '" + study.name + "'";
  for (auto const& point : study.points) {
    for (auto layer : point.edit.hparams.layers) require_layer(model, layer, where);
    for (auto const& [length, count] : point.edit.hparams.context_template_length_params) {
      if (!point.edit.templates.empty() || length < model.config().positions) continue;
      throw UserError(where + " requests context templates of " + std::to_string(length) +
                      " tokens (context_template_length_params), but the model has " + std::to_string(model.config().positions) +
                      " positions. Ask for shorter ones.");
    }
  }
}

Plan agreed_plan(RunContext& run) {
  std::vector<TextPiece> const text(run.text.begin(), run.text.end());
  std::vector<ContextTemplates> templates;
  std::map<std::string, std::size_t> place;  // by the swept edit keys
  for (auto const& point : run.study.points) {
    auto const [known, is_new] = place.try_emplace(point.edits, templates.size());
    if (!is_new) {
      templates.push_back(templates[known->second]);
      continue;
    }
    auto const found = templates_of(run, point.edit);
    run.provisional = run.provisional || !found;
    templates.push_back(found.value_or(ContextTemplates{"{}"}));
  }
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

RunContext open_run(Environment const& environment, Study const& study, RunOptions const& options, Tasks tasks) {
  auto const world = environment.world();
  auto const& m = study.model;
  agree(world, [&] {
    set_threads(m.threads);
    set_product_precision(m.products);
  });
  std::optional<RunContext> context;
  agree(world, [&] {
    auto const place = tasks == Tasks::done_here ? parse_placement : parse_placement_without_work;
    auto const placement = place(m.device, m.dtype, environment.local_rank());
    auto const worker = m.device.starts_with("cuda") ? c10::kCUDA : placement.device.type();
    use_repeatable_sums(placement.device);
    context.emplace(RunContext{environment,
                               world,
                               study,
                               options,
                               ObjectStore(options.objects.empty() ? options.folder / "objects" : options.objects, true,
                                           kind_of_numbers(placement.device)),
                               load_causal_lm(Checkpoint::open(m.checkpoint), placement),
                               Tokenizer::open(m.checkpoint),
                               {},
                               {}});
    context->on_gpus = worker == c10::kCUDA;
    context->does_tasks = tasks == Tasks::done_here;
    context->fingerprints = {context->model->fingerprint(), context->tokenizer.fingerprint(),
                             execution_of(worker, m.dtype, m.products, m.threads)};
    check(study, *context->model, context->tokenizer);
    context->text = read_text(study.perplexity, context->tokenizer, context->model->config());
  });
  context->plan = agreed_plan(*context);
  return std::move(*context);
}

}  // namespace onemask
