#include "commands/known_commands.hpp"
#include <onemask/commands/command.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

#include <charconv>
#include <sstream>

#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/variables_map.hpp>
#include <fmt/core.h>

namespace onemask {
namespace {

std::string see_help(Command const& command) {
  return " See 'onemask " + command.name + " --help'.";
}

std::string with_dashes(std::string const& option) {
  return option.starts_with('-') ? option : "--" + option;
}

std::vector<std::string> option_names(Command const& command) {
  std::vector<std::string> names{"--help"};
  for (auto const& option : command.options->options()) names.push_back("--" + option->long_name());
  return names;
}

/// Boost's message as a sentence.
std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + ".";
}

}  // namespace

std::shared_ptr<po::options_description> no_options() {
  return std::make_shared<po::options_description>("options", 110);
}

std::string help(Command const& command) {
  std::ostringstream text;
  text << "usage: onemask " << command.name << " " << command.operands << "\n\n"
       << known_command(command.name).summary << "\n"
       << command.details << (command.details.empty() ? "" : "\n") << "\n"
       << *command.options << "\nexamples:\n"
       << command.examples;
  return text.str();
}

po::variables_map parse(Command const& command, std::vector<std::string> const& words) {
  po::options_description all;
  all.add(*command.options);
  all.add_options()("operand", po::value<std::vector<std::string>>());
  po::positional_options_description positions;
  positions.add("operand", command.most_operands);
  namespace style = po::command_line_style;
  po::variables_map values;
  try {
    po::command_line_parser parser(words);
    parser.options(all).positional(positions).style(style::unix_style & ~style::allow_guessing);
    po::store(parser.run(), values);
  } catch (po::unknown_option const& error) {
    auto const option = with_dashes(error.get_option_name());
    throw UserError("'onemask " + command.name + "' has no option '" + option + "'." +
                    did_you_mean(option, option_names(command)) + see_help(command));
  } catch (po::too_many_positional_options_error const&) {
    throw UserError(fmt::format("'onemask {}' takes only {} operand: onemask {} {}.{}", command.name, command.most_operands,
                                command.name, command.operands, see_help(command)));
  } catch (po::error const& error) {
    throw UserError(sentence(error.what()) + see_help(command));
  }
  return values;
}

std::vector<std::string> operands(po::variables_map const& values) {
  return values.contains("operand") ? values["operand"].as<std::vector<std::string>>() : std::vector<std::string>{};
}

std::string only_operand(po::variables_map const& values, std::string const& what) {
  auto const given = operands(values);
  if (given.size() != 1) throw UserError("The operand " + what + " is missing.");
  return given.front();
}

std::string need_option(po::variables_map const& values, std::string const& name, std::string const& what) {
  if (!values.contains(name)) throw UserError("The option --" + name + " is missing; it names " + what + ".");
  auto const value = values[name].as<std::string>();
  if (value.empty()) throw UserError("The option --" + name + " is empty; it names " + what + ".");
  return value;
}

std::int64_t positive_number(po::variables_map const& values, std::string const& name) {
  auto const text = values[name].as<std::string>();
  std::int64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) {
    throw UserError("The option --" + name + " must be a whole number of at least 1, but is '" + text + "'.");
  }
  return number;
}

}  // namespace onemask
