#include "cli/compute_commands.hpp"
#include "cli/study_options.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/commands/result_options.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>

#include <algorithm>
#include <array>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

/// A subcommand that runs a study up to a stage.
struct StageCommand {
  char const* name;
  Stage last;
  bool only_gather;
  char const* product;  ///< of the last stage, unless that is to gather
  char const* details;
  char const* examples;
};

constexpr std::array<StageCommand, 5> stage_commands{
    {{"sweep", Stage::gather, false, "", "After any interruption the same command continues the run, on any number of ranks.",
      "  onemask sweep study.yaml --out results/study\n"
      "  mpirun -n 8 onemask sweep study.yaml --out results/study --sweep mask.seed=0..7 --set mask.epochs=50\n"
      "  onemask sweep study.yaml --out results/small --limit 20 --device cpu --json\n"},
     {"edit", Stage::edit, false, "edit", "",
      "  mpirun -n 8 onemask edit study.yaml --out results/study\n"
      "  onemask edit study.yaml --out results/study --set edit.v_lr=0.5 --objects results/objects\n"},
     {"mask", Stage::mask, false, "mask", "",
      "  mpirun -n 8 onemask mask study.yaml --out results/study\n"
      "  onemask mask study.yaml --out results/study --sweep \"mask.learning_rate=logspace(-3,-1,5)\"\n"},
     {"eval", Stage::evaluate, false, "score", "",
      "  mpirun -n 8 onemask eval study.yaml --out results/study\n"
      "  onemask eval study.yaml --out results/study --peer-compatible\n"},
     {"gather", Stage::gather, true, "", "STUDY.yaml and the options must be those of the run.",
      "  onemask gather study.yaml --out results/study\n"
      "  onemask gather study.yaml --out results/study --sweep mask.seed=0..7 --per-mask\n"}}};

std::string products_line(StageCommand const& stage, RunOptions const& options, RunOutcome const& outcome) {
  auto const objects = options.objects_folder();
  auto const& ending = outcome.ending;
  if (ending.end == RunEnding::End::complete)
    return std::string("Every planned ") + stage.product + " is in " + objects.string() + ".\n";
  return std::string("PARTIAL: not every planned ") + stage.product + " is in " + objects.string() +
         ", because tasks failed: " + ending.sentence +
         (options.shard.count == 1 ? ". The same command tries them again.\n" : ". Run the shards again whose tasks failed.\n");
}

CommandResult run_stages(StageCommand const& stage, po::variables_map const& values, Environment const& environment) {
  if (values.contains("dump-study")) return dumped_study(values, environment);
  bool const gathers = stage.last == Stage::gather;
  Study study;
  RunOptions options;
  ResultOptions results;
  agree(environment.world(), [&] {
    options = run_options_of(values);
    options.last = stage.last;
    if (gathers) results = result_options_of(values);
    if (options.shard.count == 1) require_one_run(environment.world());
    study = study_of(values);
  });
  auto const outcome = (stage.only_gather ? gather_study : run_study)(environment, study, options);
  auto const& ending = outcome.ending;
  CommandResult result{.code = exit_code(ending.end), .ranks = ranks_left(ending)};
  if (ending.end != RunEnding::End::complete && ending.end != RunEnding::End::partial) {
    result.error = ending.sentence;
    return result;
  }
  if (environment.world().rank() != 0) return result;
  auto const study_file = (options.folder / "study.h5").string();
  if (options.shard.count > 1 && ending.end == RunEnding::End::partial && ending.sentence.empty()) {
    result.output = "This shard's tasks are done" + (gathers ? "; the last shard writes " + study_file : "") + ".\n";
    result.code = 0;
    return result;
  }
  if (gathers && !ending.sentence.empty()) log_warning("The results are PARTIAL, because tasks failed: " + ending.sentence);
  if (!gathers) {
    result.output = products_line(stage, options, outcome);
  } else if (!outcome.study_file.empty()) {
    result.output = format_results(outcome.study_file, results);
  } else {
    result.output = "PARTIAL: tasks are left; the shard that does the last one writes " + study_file + ".\n";
  }
  return result;
}

}  // namespace

Command study_command(std::string const& name) {
  auto const found =
      std::find_if(stage_commands.begin(), stage_commands.end(), [&](auto const& stage) { return name == stage.name; });
  invariant(found != stage_commands.end(), "a stage has no command");
  auto const& stage = *found;
  Command command{stage.name,
                  "STUDY.yaml --out RUN [options]",
                  stage.details,
                  stage.examples,
                  1,
                  true,
                  no_options(),
                  [&stage](auto const& values, auto const& environment) { return run_stages(stage, values, environment); }};
  add_study_options(*command.options);
  if (!stage.only_gather) add_run_options(*command.options);
  if (stage.last == Stage::gather) add_result_options(*command.options);
  return command;
}

}  // namespace onemask
