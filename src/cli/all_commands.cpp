#include "cli/command_line.hpp"
#include <onemask/cli/run.hpp>

namespace onemask {

int run_command_line(int argc, char** argv) {
  return run_with({study_command("sweep"), plan_command(), status_command(), study_command("edit"), study_command("mask"),
                   study_command("eval"), study_command("gather"), report_command(), stats_command(), tokenize_command(),
                   predict_command(), export_command(), pretrain_command(), world_command(), doctor_command(), keys_command()},
                  argc, argv);
}

}  // namespace onemask
