#pragma once

#include "cli/command.hpp"

#include <vector>

namespace onemask {

/// Runs the command line with these `commands`; see run_command_line. For the other known ones this process becomes
/// `onemask-compute`.
int run_with(std::vector<Command> const& commands, int argc, char** argv);

}  // namespace onemask
