#pragma once

#include <string>
#include <vector>

namespace onemask {

/// A subcommand, for the program's help: all that is known of it without what it computes with.
struct KnownCommand {
  std::string name, summary;
};

/// In the order of the help.
std::vector<KnownCommand> const& known_commands();
/// Throws UserError, with the nearest name, where there is none of this name.
KnownCommand const& known_command(std::string const& name);

}  // namespace onemask
