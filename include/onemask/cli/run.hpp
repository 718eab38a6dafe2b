#pragma once

namespace onemask {

/// Parses the command line, runs the subcommand, and turns what was thrown into a sentence on stderr and an exit code:
/// 0 done, 1 failed, 2 usage or bad input, 3 partial (some tasks failed), 75 interrupted (run the same command again).
///
/// Knows every command. Loading LibTorch for it takes a quarter of a second.
int run_command_line(int argc, char** argv);

/// The same without LibTorch: help, mistakes in names, and the commands that only read; for others this process becomes
/// `onemask-compute`, the program beside it.
int run_light_command_line(int argc, char** argv);

}  // namespace onemask
