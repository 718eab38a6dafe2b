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

/// Advice for settings that are given as other programs take them: "mask.epochs=3", "+mask.epochs=3", "--mask.epochs=3",
/// "--set mask.epochs 3".
std::string set_advice(Command const& command, std::vector<std::string> const& words) {
  auto const is_option = [&](std::string const& name) { return command.options->find_nothrow(name, false) != nullptr; };
  auto const advice = [](std::string const& key, std::string const& value) {
    return " A value of the study is replaced by --set " + key + "=" + value + ", and swept by --sweep " + key + "=0,1,2.";
  };
  if (!is_option("set")) return "";
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto const& word = words[i];
    bool const is_value = i > 0 && words[i - 1].starts_with("--") && words[i - 1].find('=') == std::string::npos;
    auto const equals = word.find('=');
    if (is_value) {
      bool const apart = (words[i - 1] == "--set" || words[i - 1] == "--sweep") && equals == std::string::npos;
      if (apart && i + 1 < words.size()) return advice(word.substr(0, word.find(':')), words[i + 1]);
      continue;
    }
    auto const begin = word.find_first_not_of("+-");
    if (begin == std::string::npos || equals == std::string::npos || equals <= begin) continue;
    auto const key = word.substr(begin, equals - begin);
    if (!is_option(key) && key.find('/') == std::string::npos) return advice(key, word.substr(equals + 1));
  }
  return "";
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
                    did_you_mean(option, option_names(command)) + set_advice(command, words) + see_help(command));
  } catch (po::too_many_positional_options_error const&) {
    throw UserError(fmt::format("'onemask {}' takes only {} operand: onemask {} {}.{}{}", command.name, command.most_operands,
                                command.name, command.operands, set_advice(command, words), see_help(command)));
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
