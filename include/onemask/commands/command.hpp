#pragma once

#include <onemask/comm/environment.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace boost::program_options {
class options_description;
class variables_map;
}  // namespace boost::program_options

namespace onemask {

namespace po = boost::program_options;

/// What a command prints on stdout, and the exit code of a run without failure: 0 done, 3 partial; 1 where
/// the doctor finds a problem.
struct CommandResult {
  std::string output = {};
  int code = 0;
  std::string error = {};                           ///< one sentence, where the command ended without its product
  enum class Ranks { all, some_dead, some_stuck };  ///< that are left to end together
  Ranks ranks = Ranks::all;
};

/// A subcommand.
struct Command {
  std::string name, operands;     ///< e.g. "report", "RUN"
  std::string details, examples;  ///< what the help says behind the summary of `known_commands`
  int most_operands;              ///< -1: any number
  bool parallel;                  ///< all ranks run it; otherwise rank 0 does
  std::shared_ptr<po::options_description> options;
  /// Called on every rank of a parallel command; the output of rank 0 is printed. `values` holds the operands as "operand".
  std::function<CommandResult(po::variables_map const& values, Environment const& environment)> run;
};

/// None yet, to add some to.
std::shared_ptr<po::options_description> no_options();

/// The text of `onemask NAME --help`.
std::string help(Command const& command);

/// The options and operands in `words`, which follow the command's name. Throws UserError with a sentence, and the nearest option
/// where one is unknown.
po::variables_map parse(Command const& command, std::vector<std::string> const& words);

/// The operands given, none where there are none.
std::vector<std::string> operands(po::variables_map const& values);
/// The only operand; throws UserError "Give STUDY.yaml, …" when it is missing.
std::string only_operand(po::variables_map const& values, std::string const& what);
/// The value of an option that must be given, or UserError.
std::string need_option(po::variables_map const& values, std::string const& name, std::string const& what);
/// The whole number of an option, at least 1, or UserError.
std::int64_t positive_number(po::variables_map const& values, std::string const& name);

}  // namespace onemask
