#include "commands/light_commands.hpp"
#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>
#include <onemask/report/comparison.hpp>
#include <onemask/report/export.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

using Words = std::vector<std::string>;

ComparisonRequest request_of(po::variables_map const& values) {
  ComparisonRequest request;
  auto const compared = values.contains("compare") ? values["compare"].as<Words>() : Words();
  if (compared.size() != 2)
    throw UserError(
        "The option --compare takes two conditions, as in 'onemask test RUN --compare mask edited'. RUN stands before it.");
  request.a = compared[0], request.b = compared[1];
  if (values.contains("split")) request.splits = values["split"].as<Words>();
  if (values.contains("metric")) request.metrics = values["metric"].as<Words>();
  request.prompts = values["prompts"].as<std::string>();
  auto const facts = values["facts"].as<std::string>();
  auto const subset = value_of(fact_subset_names, facts);
  if (!subset) throw UserError("--facts is '" + facts + "'; choose one of: " + all_names(fact_subset_names) + ".");
  request.facts = *subset;
  request.cluster_relations = values.contains("cluster-relations");
  return request;
}

CommandResult test(po::variables_map const& values) {
  auto const request = request_of(values);
  bool const json = values.contains("json"), csv = values.contains("csv");
  if (json && csv) throw UserError("Both --json and --csv were given; choose one.");
  auto const study = read_study_file(study_file_of(values), tables_of_comparisons());
  auto const comparisons = compare(study, request);
  if (json) return {to_json(comparison_table(study, request, comparisons))};
  if (csv) return {to_csv(comparison_table(study, request, comparisons))};
  return {format_comparisons(study, request, comparisons)};
}

}  // namespace

Command test_command() {
  Command command{"test",
                  "RUN --compare A B [options]",
                  "A and B name conditions: original, edited, mask, random, … or one of several: 'mask, mask.seed=0'.",
                  "  onemask test results/study --compare mask edited\n"
                  "  onemask test results/study --compare mask delta_magnitude --split heldout --metric rsr\n"
                  "  onemask test results/study --compare 'mask, mask.seed=0' 'mask, mask.seed=1' --csv > test.csv\n"
                  "  onemask test results/study --compare edited original --metric confidence --facts known\n",
                  1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return test(values); }};
  auto const list = [](char const* name) { return po::value<Words>()->multitoken()->value_name(name); };
  auto const text = [](char const* name, char const* otherwise) {
    return po::value<std::string>()->value_name(name)->default_value(otherwise);
  };
  command.options->add_options()                                                                                 //
      ("compare", list("A B"), "the two conditions")                                                             //
      ("split", list("SPLIT ..."), "only these splits")                                                          //
      ("metric", list("METRIC ..."), "scores of the table metrics, or confidence (default: rsr rsm p_true kl)")  //
      ("prompts", text("KIND", "rewrite"), "rewrite, paraphrase, neighborhood or one of evaluation.prompts")     //
      ("facts", text("WHICH", "all"), "all, known (to the unedited model), took or took-top-1 (their edit)")     //
      ("cluster-relations", "resample whole relations instead of facts")                                         //
      ("json", "print a JSON list instead of tables")                                                            //
      ("csv", "print CSV instead of tables");
  return command;
}

}  // namespace onemask
