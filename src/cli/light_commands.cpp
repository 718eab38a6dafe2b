#include "cli/command_line.hpp"
#include <onemask/cli/run.hpp>

namespace onemask {

int run_light_command_line(int argc, char** argv) {
  return run_with({status_command(), report_command(), tokenize_command(), world_command(), keys_command()}, argc, argv);
}

}  // namespace onemask
