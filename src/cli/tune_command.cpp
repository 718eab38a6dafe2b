#include "cli/compute_commands.hpp"
#include "cli/study_options.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/read.hpp>
#include <onemask/report/tracing.hpp>
#include <onemask/tune/tune.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

using Words = std::vector<std::string>;

EditMethod method_of(po::variables_map const& values) {
  auto const name = need_option(values, "method", "the method of editing: " + all_names(edit_method_names));
  if (auto const method = value_of(edit_method_names, name)) return *method;
  Words names;
  for (auto const& known : edit_method_names) names.emplace_back(known.name);
  throw UserError("--method is '" + name + "'; known are " + all_names(edit_method_names) + "." + did_you_mean(name, names));
}

double drift_of(po::variables_map const& values) {
  auto const text = values["max-drift"].as<std::string>();
  double number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number > 0) || !std::isfinite(number))
    throw UserError("The option --max-drift must be a number above 0, but is '" + text + "'.");
  return number;
}

/// A word as a shell takes it.
std::string shell_word(std::string const& word) {
  constexpr char const* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string text = "'";
  for (char const letter : word) text += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return text + "'";
}

/// Where the run of a study that traces facts finds them.
TracedLayer traced_layer(std::filesystem::path const& run) {
  try {
    TracingReport const report(read_results(study_file_in(run)));
    return {report.layer_to_edit().layer, report.layers()};
  } catch (UserError const& e) {
    throw UserError("--tracing " + run.string() + ": " + e.what());
  }
}

/// What decides the choice, but for the budget.
std::string command_line_of(po::variables_map const& values) {
  auto line = "onemask tune " + shell_word(only_operand(values, "STUDY.yaml, the study's file,"));
  for (auto const* option : {"method", "facts", "tracing", "max-drift", "device", "dtype"}) {
    if (values.contains(option)) line += std::string(" --") + option + " " + shell_word(values[option].as<std::string>());
  }
  if (values.contains("peer-compatible")) line += " --peer-compatible";
  for (auto const* option : {"set", "probe"}) {
    if (!values.contains(option)) continue;
    for (auto const& word : values[option].as<Words>()) line += std::string(" --") + option + " " + shell_word(word);
  }
  return line;
}

TuneOptions tune_options_of(po::variables_map const& values) {
  TuneOptions options;
  options.folder = need_option(values, "out", "the folder of the tune");
  if (values.contains("hparams")) options.hparams = need_option(values, "hparams", "the hparams file to write");
  options.overwrite = values.contains("overwrite");
  if (values.contains("facts")) options.facts = static_cast<std::size_t>(positive_number(values, "facts"));
  if (values.contains("probe")) {
    for (auto const& file : values["probe"].as<Words>()) options.probes.emplace_back(file);
  }
  if (values.contains("tracing")) options.peak = traced_layer(values["tracing"].as<std::string>());
  if (values.contains("budget")) options.budget = parse_tune_budget(values["budget"].as<std::string>());
  if (values.contains("max-drift")) options.max_drift = drift_of(values);
  options.time_limit = duration_option(values, "time-limit");
  options.deadline = duration_option(values, "deadline");
  options.command = command_line_of(values);
  return options;
}

/// The study with only those points that edit so. Where it has none, its settings are taken for this method.
Study study_for(po::variables_map const& values, EditMethod method) {
  StudyOverrides overrides;
  overrides.edit = usual_hparams(method);
  overrides.masks = false;
  auto study = study_of(values, overrides);
  if (study.points.empty()) {
    throw UserError("The study '" + study.name +
                    "' makes no edits (edit: none), but a tune begins with a way of editing. Remove the line 'edit: none'.");
  }
  auto const is_finished = [](auto const& point) { return point.edit.hparams.method == EditMethod::imported; };
  if (std::any_of(study.points.begin(), study.points.end(), is_finished)) return study;  // which a tune refuses
  auto const is_other = [&](auto const& point) { return point.edit.hparams.method != method; };
  auto const is_swept = [](auto const& point) { return point.edits.find("edit.method=") != std::string::npos; };
  if (std::all_of(study.points.begin(), study.points.end(), is_other) && !is_swept(study.points.front())) {
    overrides.set.push_back("edit.method=" + to_string(method));
    study = study_of(values, overrides);
  }
  std::erase_if(study.points, is_other);
  if (study.points.empty())
    throw UserError("The study '" + study.name + "' has no edits by " + to_string(method) +
                    " (--method): its sweep sets edit.method to others. Add " + to_string(method) +
                    " to this sweep, or leave edit.method out of it.");
  return study;
}

CommandResult run_tune(po::variables_map const& values, Environment const& environment) {
  Study study;
  TuneOptions options;
  agree(environment.world(), [&] {
    require_one_run(environment.world());
    study = study_for(values, method_of(values));
    options = tune_options_of(values);
  });
  auto const outcome = tune_study(environment, study, options);
  auto const& ending = outcome.ending;
  CommandResult result{outcome.text, exit_code(ending.end), ending.sentence, ranks_left(ending)};
  if (ending.end == RunEnding::End::complete && !outcome.chosen) {
    result.code = 1;
    result.error =
        "No candidate edited every probe fact within the limit of drift, so no hparams file is written. Look at the table, and "
        "raise "
        "the limit with --max-drift or begin with other settings (edit.hparams).";
  }
  return result;
}

}  // namespace

Command tune_command() {
  using Text = std::string;
  Command command{
      "tune",
      "STUDY.yaml --method M --out RUN [options]",
      "Tries candidates on a ladder of small studies: ever fewer of them on more facts. Writes the best as a hparams file.\n"
      "Begins with the hparams file of the study, or with usual values where it names none. After any interruption the\n"
      "same command continues.",
      "  onemask tune study.yaml --method rome --out results/tune\n"
      "  mpirun -n 8 onemask tune study.yaml --method memit --out results/tune --budget 40m --hparams memit.yaml\n"
      "  onemask tune study.yaml --method rome --out results/tune --tracing results/traced\n",
      1,
      true,
      no_options(),
      run_tune};
  command.options->add_options()                                                                                              //
      ("method", po::value<Text>()->value_name("M"), "method of editing, such as rome or memit; required")                    //
      ("out", po::value<Text>()->value_name("RUN"), "folder of the tune: ladder, runs, objects, hparams.yaml; required")      //
      ("facts", po::value<Text>()->value_name("N"), "probe facts of the last rung; 50 by default")                            //
      ("probe", po::value<Words>()->value_name("FILE"), "take probe facts from this file, not the study's; may be repeated")  //
      ("budget", po::value<Text>()->value_name("B"),
       "a number of edits such as 500edits, or a time such as 40m, which the first start turns into a ladder")  //
      ("tracing", po::value<Text>()->value_name("RUN"),
       "a run that traces facts: the layer that it names is among the first that are tried")  //
      ("max-drift", po::value<Text>()->value_name("X"),
       "candidates with more are not chosen: perplexity, edited / unedited (1.2), or KL at neighborhood prompts (2)")   //
      ("hparams", po::value<Text>()->value_name("FILE"), "write the hparams file here as well")                         //
      ("overwrite", "the file after --hparams may exist")                                                               //
      ("set", po::value<Words>()->value_name("KEY=VALUE"), "replaces a value of the study; may be repeated")            //
      ("peer-compatible", "prompts and comparisons as in the published code; --set peer_compatible=true")               //
      ("device", po::value<Text>()->value_name("D"), "cpu, cuda, cuda:N or auto; --set model.device=D")                 //
      ("dtype", po::value<Text>()->value_name("T"), "float32, bfloat16 or float16; --set model.dtype=T")                //
      ("time-limit", po::value<Text>()->value_name("T"), "stop before T is over with exit code 75, as after a signal")  //
      ("deadline", po::value<Text>()->value_name("T"), "treat a rank as hung if its task reports no progress for T");
  return command;
}

}  // namespace onemask
