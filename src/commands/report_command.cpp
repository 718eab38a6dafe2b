#include "commands/light_commands.hpp"
#include <onemask/commands/result_options.hpp>
#include <onemask/core/file.hpp>
#include <onemask/report/plot.hpp>
#include <onemask/report/read.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

CommandResult report(po::variables_map const& values) {
  auto const options = result_options_of(values);
  auto const file = study_file_of(values);
  auto output = format_results(file, options);
  if (values.contains("plot")) write_file_atomically(values["plot"].as<std::string>(), to_svg(read_results(file)));
  return {std::move(output)};
}

}  // namespace

Command report_command() {
  Command command{"report",
                  "RUN [options]",
                  "",
                  "  onemask report results/study\n"
                  "  onemask report results/study --by-relation --per-mask\n"
                  "  onemask report results/study --plot study.svg\n"
                  "  onemask report results/study --csv > summary.csv\n",
                  1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return report(values); }};
  add_result_options(*command.options);
  command.options->add_options()("plot", po::value<std::string>()->value_name("FILE"),
                                 "draw RSR with its intervals into an SVG file");
  return command;
}

}  // namespace onemask
