#pragma once

#include <onemask/commands/command.hpp>

#include <vector>

namespace onemask {

/// Every subcommand.
std::vector<Command> all_commands();

}  // namespace onemask
