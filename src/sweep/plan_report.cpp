#include "sweep/frozen_plan.hpp"
#include "sweep/open_run.hpp"
#include "sweep/task_rates.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/text.hpp>
#include <onemask/sweep/plan_report.hpp>
#include <onemask/work/done_tasks.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Bytes of a task's objects.
double bytes_of(PlannedTask task, Study const& study, OpenRun const& run) {
  constexpr double overhead = 600, number = 4;  // headers and trailer; float32
  auto const& plan = run.plan;
  auto const hidden = static_cast<double>(run.model->config().hidden), inner = static_cast<double>(run.model->config().inner);
  auto const layers_of = [&](std::size_t set) { return plan.sets[set].options.hparams.layers.size(); };
  auto const factors = [&](std::size_t facts) { return static_cast<double>(facts) * (hidden + inner) * number; };
  switch (task.kind) {
    case TaskKind::moments:
      return static_cast<double>(plan.moments.size()) * inner * inner * number;
    case TaskKind::null_space:
      return inner * inner * number;
    case TaskKind::edit: {
      auto const& edit = plan.edits[task.index];
      auto const facts = static_cast<double>(edit.facts.size());
      return edit.key.empty() ? facts * (overhead + (hidden + inner) * number) : overhead + facts * hidden * number;
    }
    case TaskKind::batch_edit: {
      auto const& solve = plan.solves[task.index];
      return overhead + factors(solve.facts.size()) * static_cast<double>(layers_of(solve.set));
    }
    case TaskKind::mask: {
      auto const layers = std::max<std::size_t>(1, plan.masks[task.index].options.layers.size());
      return overhead + static_cast<double>(layers) * hidden * inner * number;
    }
    case TaskKind::evaluation: {
      constexpr double row = 128;
      return overhead + row * units_of(plan, study, task);
    }
    case TaskKind::perplexity:
      return overhead;
    case TaskKind::masked_edit:
      return static_cast<double>(objects_of(plan, task).size()) * (overhead + (hidden + inner) * number);
    case TaskKind::masked_values:
      return overhead + static_cast<double>(plan.masked_values[task.index].facts.size()) * hidden * number;
    case TaskKind::masked_solve: {
      auto const& solve = plan.masked_solves[task.index];
      auto const masked = solve.adaptive ? plan.masks[static_cast<std::size_t>(solve.under.mask)].options.layers.size() : 0;
      return overhead + factors(solve.facts.size()) * static_cast<double>(layers_of(solve.set) - masked) +
             static_cast<double>(masked) * hidden * inner * number;
    }
    case TaskKind::injection: {
      constexpr double row = 64;
      return overhead + row * units_of(plan, study, task);
    }
    case TaskKind::tracing: {
      auto const layers = static_cast<double>(run.model->config().layers);
      constexpr double places = static_cast<double>(trace_place_names.size()), real = 8;
      return overhead + static_cast<double>(plan.tracings[task.index].facts.size()) * (places * layers + 4) * real;
    }
    case TaskKind::analysis: {
      auto const& options = *study.analysis;
      auto const layers = static_cast<double>(run.model->config().layers), heads = static_cast<double>(run.model->config().heads);
      auto const places = static_cast<double>(options.places.size());
      double numbers = options.contributions ? places * 4 * layers : 0;
      if (options.contributions && options.heads) numbers += places * 2 * layers * heads;
      constexpr double tokens_of_a_prompt = 10;  // about
      if (options.sources) numbers += places * 2 * layers * tokens_of_a_prompt * (options.heads ? heads : 1);
      if (options.attention) numbers += 11 * layers * (options.heads ? 1 + heads : 1);
      if (options.traces) numbers += 6 * places * layers;
      if (options.maps != MapDetail::none) numbers += 12 * layers;
      if (options.maps == MapDetail::facts) numbers += 3 * layers * tokens_of_a_prompt;
      if (plan.analyses[task.index].mask >= 0) numbers += 4 * places * layers * options.dimensions;
      return overhead + number * numbers * units_of(plan, study, task) + (options.inner_units > 0 ? 6 * 8 * inner * places : 0);
    }
  }
  return 0;
}

/// The chain of tasks that nothing can shorten but faster ranks.
std::vector<std::string> critical_path(TaskList const& tasks, std::vector<bool> const& done, int ranks) {
  auto left = tasks.graph;
  for (std::size_t t = 0; t < done.size(); ++t) {
    if (done[t]) left.tasks[t].seconds = 0;
  }
  auto const to_end = seconds_to_end(left, ranks);
  std::vector<std::vector<std::uint32_t>> followers(left.tasks.size());
  for (std::size_t t = 0; t < left.tasks.size(); ++t) {
    for (auto before : left.tasks[t].after) followers[before].push_back(static_cast<std::uint32_t>(t));
  }
  std::vector<std::string> path;
  if (to_end.empty()) return path;
  auto task = static_cast<std::size_t>(std::max_element(to_end.begin(), to_end.end()) - to_end.begin());
  for (;;) {
    auto const& known = left.tasks[task];
    auto const size = group_size(known, 1, ranks);
    if (known.seconds > 0) {
      path.push_back(fmt::format("{} {}{}", left.kinds[known.kind], format_duration(seconds_on(known, size)),
                                 size > 1 ? fmt::format(" on {} ranks", size) : ""));
    }
    if (followers[task].empty()) return path;
    task =
        *std::max_element(followers[task].begin(), followers[task].end(), [&](auto a, auto b) { return to_end[a] < to_end[b]; });
  }
}

}  // namespace

PlanReport plan_study(Environment const& environment, Study const& study, RunOptions const& options,
                      PlanQuestion const& question) {
  auto const run = open_run(environment, study, options, Tasks::done_elsewhere);
  PlanReport report{.id = run.plan.id,
                    .name = study.name,
                    .facts = run.plan.facts.size(),
                    .edit_sets = run.plan.sets.size(),
                    .masks = run.plan.masks.size(),
                    .known = run.plan.known};
  agree(environment.world(), [&] {
    if (environment.world().rank() != 0) return;
    auto journal = read_journals(options.folder / "journal");
    if (!question.like.empty()) {
      auto const other = read_journals(question.like / "journal");
      journal.insert(journal.end(), other.begin(), other.end());
    }
    auto const rates = task_rates(journal, run.model->config(), run.worker != c10::kCPU);
    auto const tasks = make_task_list(run.plan, study, rates, options.last);
    freeze_plan(options.folder, study, run, tasks, Tasks::done_elsewhere);
    auto const done = stored_tasks(tasks, run.plan, run.objects);
    std::vector<PlannedKind> kinds(task_kinds);
    for (std::size_t t = 0; t < done.size(); ++t) {
      if (tasks.graph.is_join(t)) continue;
      auto& kind = kinds[static_cast<std::size_t>(tasks.planned[t].kind)];
      ++kind.tasks;
      kind.done += done[t];
      if (done[t]) continue;
      kind.seconds += tasks.graph.tasks[t].seconds;
      kind.bytes += bytes_of(tasks.planned[t], study, run);
    }
    for (std::size_t k = 0; k < task_kinds; ++k) {
      kinds[k].name = kind_names()[k];
      kinds[k].measured = rates.measured[k];
      if (kinds[k].tasks > 0) report.kinds.push_back(std::move(kinds[k]));
    }
    report.simulation = simulate(tasks.graph, done, question.ranks, question.ranks_per_node);
    report.critical_path = critical_path(tasks, done, question.ranks);
  });
  return report;
}

}  // namespace onemask
