#include "commands/light_commands.hpp"
#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>
#include <onemask/report/overlap.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

CommandResult overlap(po::variables_map const& values) {
  auto const name = values["format"].as<std::string>();
  auto const format = value_of(document_format_names, name);
  if (!format) throw UserError("--format is '" + name + "'; choose one of: " + all_names(document_format_names) + ".");
  auto const study = read_study_file(study_file_of(values), {"masks"});
  return {laid_out(overlap_document(study, values.contains("per-pair")), *format)};
}

}  // namespace

Command overlap_command() {
  Command command{"overlap",
                  "RUN [options]",
                  "",
                  "  onemask overlap results/study\n"
                  "  onemask overlap results/study --per-pair --format markdown > overlap.md\n",
                  1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return overlap(values); }};
  command.options->add_options()("per-pair", "also print a line for every pair of masks, with its interval")(
      "format", po::value<std::string>()->value_name("F")->default_value("text"),
      ("how to print: " + all_names(document_format_names)).c_str());
  return command;
}

}  // namespace onemask
