#pragma once

#include <onemask/commands/command.hpp>

#include <vector>

namespace onemask {

/// Parses the command line, runs the subcommand, and turns what was thrown into a sentence on stderr and an exit code:
/// 0 done, 1 failed, 2 usage or bad input, 3 partial (some tasks failed), 75 interrupted (run the same command again).
///
/// For a known subcommand that is not among `commands` this process becomes `onemask-compute`, the program beside it.
int run_with(std::vector<Command> const& commands, int argc, char** argv);

/// Those that need no LibTorch, which takes a quarter of a second to load.
std::vector<Command> light_commands();

}  // namespace onemask
