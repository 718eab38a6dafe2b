#include "cli/result_options.hpp"
#include <onemask/core/error.hpp>

namespace onemask {
namespace {

CommandResult report(po::variables_map const& values) {
  auto const options = result_options_of(values);
  auto const file = std::filesystem::path(only_operand(values, "RUN, the folder of a run,")) / "study.h5";
  std::error_code unreadable;
  if (!std::filesystem::exists(file, unreadable)) {
    throw UserError("There is no file '" + file.string() + "'; 'onemask gather' writes it from what a run has so far.");
  }
  return {format_results(file, options)};
}

}  // namespace

Command report_command() {
  Command command{"report",
                  "RUN [options]",
                  "Prints the results in RUN/study.h5.",
                  "  onemask report results/study\n"
                  "  onemask report results/study --by-relation --per-mask\n"
                  "  onemask report results/study --csv > summary.csv\n",
                  1,
                  false,
                  po::options_description("options", 110),
                  [](po::variables_map const& values, Environment const&) { return report(values); }};
  add_result_options(command.options);
  return command;
}

}  // namespace onemask
