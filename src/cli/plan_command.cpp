#include "cli/compute_commands.hpp"
#include "cli/study_options.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/json_line.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/text_table.hpp>
#include <onemask/sweep/plan_report.hpp>
#include <onemask/sweep/run.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

std::string percent(double share) {
  return fmt::format("{} %", static_cast<int>(std::lround(100 * share)));
}

std::string rank_hours(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 360 ? "%.3f" : "%.2f", seconds / 3600);
  return text;
}

std::string path_of(std::vector<std::string> const& tasks) {
  return tasks.empty() ? "nothing is left" : join(tasks, " > ");
}

std::string text_of(PlanReport const& report) {
  TextTable table;
  table.add({"tasks", "planned", "done", "left", "each", "rank-hours", "disk", "times"});
  PlannedKind all{"all"};
  for (auto const& kind : report.kinds) {
    auto const left = kind.tasks - kind.done;
    table.add({kind.name, std::to_string(kind.tasks), std::to_string(kind.done), std::to_string(left),
               left > 0 ? format_duration(kind.seconds / static_cast<double>(left)) : "", rank_hours(kind.seconds),
               format_bytes(kind.bytes), kind.measured > 0 ? fmt::format("measured on {}", kind.measured) : "guessed"});
    all.tasks += kind.tasks;
    all.done += kind.done;
    all.seconds += kind.seconds;
    all.bytes += kind.bytes;
  }
  table.add({all.name, std::to_string(all.tasks), std::to_string(all.done), std::to_string(all.tasks - all.done), "",
             rank_hours(all.seconds), format_bytes(all.bytes), ""});
  std::string known;
  for (auto const& count : report.known) {
    if (count.relation == every_relation) known += wrapped(sentence_of(count), line_width);
  }
  auto const& run = report.simulation;
  return fmt::format(
      "plan {} of {}: {} facts, {} way(s) of editing, {} masks\n{}\n{}\ncritical path: {} ({})\n"
      "on {}: {}; at least {} (the critical path, or the work divided evenly), so efficiency {}; ranks in tasks {} of the time\n",
      report.id.substr(0, 12), report.name, report.facts, report.edit_sets, report.masks, known, table.text(),
      path_of(report.critical_path), format_duration(run.critical_path), counted(static_cast<std::size_t>(run.ranks), "rank"),
      format_duration(run.makespan), format_duration(run.bound()), percent(run.efficiency()),
      percent(run.makespan > 0 ? run.busy / (run.makespan * run.ranks) : 1));
}

/// What the model knows of the facts that were chosen among.
nlohmann::ordered_json known_of(PlanReport const& report) {
  auto list = nlohmann::ordered_json::array();
  for (auto const& count : report.known) {
    list.push_back({{"split", count.split},
                    {"relation", count.relation},
                    {"candidates", count.candidates},
                    {"scored", count.scored},
                    {"known", count.known},
                    {"taken", count.taken}});
  }
  return list;
}

std::string json_of(PlanReport const& report) {
  auto kinds = nlohmann::ordered_json::array();
  for (auto const& kind : report.kinds) {
    kinds.push_back({{"kind", kind.name},
                     {"tasks", kind.tasks},
                     {"done", kind.done},
                     {"seconds_left", kind.seconds},
                     {"bytes_left", kind.bytes},
                     {"measured_on", kind.measured}});
  }
  auto const& run = report.simulation;
  return json_line({{"plan", report.id},
                    {"name", report.name},
                    {"facts", report.facts},
                    {"ways_of_editing", report.edit_sets},
                    {"masks", report.masks},
                    {"known", known_of(report)},
                    {"tasks", kinds},
                    {"critical_path", {{"seconds", run.critical_path}, {"tasks", report.critical_path}}},
                    {"simulation",
                     {{"ranks", run.ranks},
                      {"makespan_seconds", run.makespan},
                      {"bound_seconds", run.bound()},
                      {"work_seconds", run.work},
                      {"efficiency", run.efficiency()}}}}) +
         "\n";
}

int number_of_ranks(po::variables_map const& values, char const* option) {
  constexpr int most = 1'000'000;
  auto const number = positive_number(values, option);
  if (number > most) throw UserError(fmt::format("--{} is {}; give at most {}.", option, number, most));
  return static_cast<int>(number);
}

CommandResult plan(po::variables_map const& values, Environment const& environment) {
  if (values.contains("dump-study")) return dumped_study(values, environment);
  Study study;
  RunOptions options;
  PlanQuestion question;
  agree(environment.world(), [&] {
    options = run_options_of(values);
    if (values.contains("ranks")) question.ranks = number_of_ranks(values, "ranks");
    if (values.contains("ranks-per-node")) question.ranks_per_node = number_of_ranks(values, "ranks-per-node");
    if (values.contains("like")) question.like = values["like"].as<std::string>();
    if (!question.like.empty() && !std::filesystem::is_directory(question.like / "journal"))
      throw UserError("The folder '" + question.like.string() + "' (--like) holds no run.");
    study = study_of(values);
    if (!values.contains("ranks") && study.masks) question.ranks = std::max(1, study.ranks_per_mask);
    require_ranks(study, options.last, question.ranks);
  });
  auto const report = plan_study(environment, study, options, question);
  if (environment.world().rank() != 0) return {};
  return {values.contains("json") ? json_of(report) : text_of(report), 0};
}

}  // namespace

Command plan_command() {
  Command command{
      "plan",
      "STUDY.yaml --out RUN [options]",
      "Times come from finished tasks of RUN or of --like. Before there are any, they are estimated from the model's size.",
      "  onemask plan study.yaml --out results/study\n"
      "  onemask plan study.yaml --out results/study --ranks 1024 --like results/trial --json\n",
      1,
      false,
      no_options(),
      plan};
  add_study_options(*command.options);
  command.options->add_options()                                                                            //
      ("ranks", po::value<std::string>()->value_name("N"), "simulate the run on N ranks")                   //
      ("ranks-per-node", po::value<std::string>()->value_name("N"), "ranks on each node; 8 by default")     //
      ("like", po::value<std::string>()->value_name("RUN2"), "use the times measured in this run as well")  //
      ("json", "one line of JSON");
  return command;
}

}  // namespace onemask
