#include "cli/compute_commands.hpp"
#include "cli/study_options.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/json_line.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/text_table.hpp>
#include <onemask/sweep/known_survey.hpp>

#include <filesystem>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

std::string test_of(SplitSurvey const& survey) {
  return name_of(known_test_names, survey.selection.known);
}

std::string with_share(std::size_t known, std::size_t candidates) {
  return fmt::format("{} ({:.1f} %)", known, 100 * static_cast<double>(known) / static_cast<double>(candidates));
}

std::string text_of(SplitSurvey const& survey) {
  auto const& selection = survey.selection;
  TextTable table;
  table.add({"relation", "candidates", "two-way", "top-1"});
  for (auto const& row : survey.rows) {
    table.add({row.relation, std::to_string(row.candidates), with_share(row.two_way, row.candidates),
               with_share(row.top1, row.candidates)});
  }
  return fmt::format("Split {}: {} of {} facts are known ({}, margin {}, {})\n{}", selection.split, survey.known.size(),
                     survey.rows.front().candidates, test_of(survey), selection.known_margin,
                     selection.known_paraphrases ? "rewrite prompts and paraphrases" : "rewrite prompts", table.text());
}

nlohmann::ordered_json json_of(SplitSurvey const& survey) {
  auto rows = nlohmann::ordered_json::array();
  for (auto const& row : survey.rows) {
    rows.push_back({{"relation", row.relation}, {"candidates", row.candidates}, {"two_way", row.two_way}, {"top1", row.top1}});
  }
  return {{"split", survey.selection.split},
          {"test", test_of(survey)},
          {"margin", survey.selection.known_margin},
          {"paraphrases", survey.selection.known_paraphrases},
          {"known", survey.known.size()},
          {"relations", rows}};
}

std::string without_known(SplitSurvey const& survey, std::filesystem::path const& file) {
  return fmt::format(
      "The model knows no fact of the split '{}' (test {}, margin {}), so {} is not written. Choose an easier test "
      "or a smaller margin.",
      survey.selection.split, test_of(survey), survey.selection.known_margin, file.string());
}

/// Refuses a file that cannot be written, or would be lost.
void check_file(std::filesystem::path const& file, bool overwrite) {
  std::error_code unreadable;
  auto const parent = std::filesystem::absolute(file).parent_path();
  if (!std::filesystem::is_directory(parent, unreadable)) {
    throw UserError(fmt::format("There is no folder '{}' for the file of known facts '{}' (--out). Make it first.",
                                parent.string(), file.string()));
  }
  if (std::filesystem::is_directory(file, unreadable))
    throw UserError("'" + file.string() + "' (--out) is a folder. Name the file to write.");
  if (!overwrite && std::filesystem::exists(file, unreadable))
    throw UserError("The file '" + file.string() + "' (--out) exists already. Name another one, or add --overwrite.");
}

CommandResult list_known(po::variables_map const& values, Environment const& environment) {
  auto const world = environment.world();
  Study study;
  std::string split;
  std::filesystem::path file, objects;
  agree(world, [&] {
    if (values.contains("split")) split = need_option(values, "split", "a split of the study");
    if (values.contains("out")) file = need_option(values, "out", "the file to write");
    if (values.contains("objects")) objects = need_option(values, "objects", "the folder of edits, masks and scores");
    require_one_run(world);
    study = study_of(values);
    if (!file.empty() && split.empty() && study.facts.size() > 1)
      throw UserError("A file holds the facts of one split, but the study has " + std::to_string(study.facts.size()) +
                      ". Name one with --split.");
    if (world.rank() == 0 && !file.empty()) check_file(file, values.contains("overwrite"));
  });
  auto const surveys = survey_known(environment, study, split, {.objects = objects});
  CommandResult result;
  if (!file.empty() && surveys.front().known.empty()) {
    result.code = 2;
    result.error = without_known(surveys.front(), file);
  }
  agree(world, [&] {
    if (world.rank() == 0 && !file.empty() && result.code == 0)
      write_file_atomically(file, counterfact_text(surveys.front().known));
  });
  if (world.rank() != 0) return result;
  auto list = nlohmann::ordered_json::array();
  for (auto const& survey : surveys) {
    list.push_back(json_of(survey));
    if (!values.contains("json")) result.output += (result.output.empty() ? "" : "\n") + text_of(survey);
  }
  if (values.contains("json")) result.output = json_line(list) + "\n";
  return result;
}

}  // namespace

Command known_facts_command() {
  Command command{"known",
                  "STUDY.yaml [options]",
                  "All facts that a split is chosen among are scored: per_relation, offset_per_relation and limit do not count.\n"
                  "A split that does not say 'known' is given the test two-way.",
                  "  onemask known study.yaml\n"
                  "  mpirun -n 8 onemask known study.yaml --split train --objects results/study/objects --out known.json\n",
                  1,
                  true,
                  no_options(),
                  list_known};
  using Texts = std::vector<std::string>;
  command.options->add_options()                                                                                        //
      ("split", po::value<std::string>()->value_name("S"), "only this split of the study; all by default")              //
      ("out", po::value<std::string>()->value_name("FILE"), "write the known facts of a split as CounterFact records")  //
      ("overwrite", "the file after --out may exist")                                                                   //
      ("objects", po::value<std::string>()->value_name("DIR"),
       "find and keep the scores there, where a run of the study finds them: RUN/objects, or a folder that runs share")  //
      ("set", po::value<Texts>()->value_name("KEY=VALUE"), "replaces a value of the study; may be repeated")             //
      ("peer-compatible", "prompts as in the published code; --set peer_compatible=true")                                //
      ("device", po::value<std::string>()->value_name("D"), "cpu, cuda, cuda:N or auto; --set model.device=D")           //
      ("dtype", po::value<std::string>()->value_name("T"), "float32, bfloat16 or float16; --set model.dtype=T")          //
      ("json", "one line of JSON: a list of splits");
  return command;
}

}  // namespace onemask
