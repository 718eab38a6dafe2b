#include "commands/light_commands.hpp"

#include <onemask/commands/command_line.hpp>

namespace onemask {

std::vector<Command> light_commands() {
  return {status_command(), report_command(), test_command(), tokenize_command(), world_command(), keys_command()};
}

}  // namespace onemask
