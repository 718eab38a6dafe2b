#pragma once

namespace onemask {

/// Parses the command line, runs the subcommand, and turns what was thrown into a sentence on stderr and an exit code:
/// 0 done, 1 failed, 2 usage or bad input, 3 partial (some tasks failed), 75 interrupted (run the same command again).
int run_command_line(int argc, char** argv);

}  // namespace onemask
