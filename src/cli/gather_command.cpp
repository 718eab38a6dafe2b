#include "cli/result_options.hpp"
#include "cli/study_options.hpp"

namespace onemask {

Command gather_command() {
  Command command{"gather",
                  "STUDY.yaml --out RUN [options]",
                  "Writes RUN/study.h5 from what a run has so far, and prints the results.\n"
                  "STUDY.yaml and the options must be those of the run.",
                  "  onemask gather study.yaml --out results/study\n",
                  1,
                  false,
                  po::options_description("options", 110),
                  [](po::variables_map const& values, Environment const&) {
                    auto const options = run_options_of(values, Stage::gather);
                    auto const results = result_options_of(values);
                    auto const outcome = gather_study(study_of(values), options);
                    return CommandResult{format_results(outcome.study_file, results), outcome.complete ? 0 : 3};
                  }};
  add_study_options(command.options);
  add_result_options(command.options);
  return command;
}

}  // namespace onemask
