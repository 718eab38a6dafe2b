#include "commands/light_commands.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/json_line.hpp>
#include <onemask/core/text_file.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <iostream>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

std::string format(Tokenizer const& tokenizer, std::string const& text, bool json) {
  auto const ids = tokenizer.encode(text);
  std::vector<std::string> pieces;
  for (auto const id : ids) pieces.push_back(tokenizer.token_text(id));
  if (json) return json_line({{"text", text}, {"ids", ids}, {"pieces", pieces}}) + "\n";
  std::string id_line, piece_line;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    id_line += fmt::format("{}{}", i == 0 ? "" : " ", ids[i]);
    piece_line += (i == 0 ? "" : " ") + json_line(pieces[i]);
  }
  return id_line + "\n" + piece_line + "\n";
}

/// A line of stdin that is a JSON string.
std::string parse_line(std::string const& line, std::size_t number) {
  auto const value = nlohmann::json::parse(line, nullptr, false);
  if (!value.is_string())
    throw UserError(fmt::format(
        "Line {} of stdin is not a JSON string such as \"two\\nlines\"; with --json-input every line must be one.", number));
  return value.get<std::string>();
}

CommandResult tokenize(po::variables_map const& values) {
  auto const tokenizer = Tokenizer::open(need_option(values, "model", "the folder of a model or tokenizer"));
  auto texts = operands(values);
  if (texts.empty()) {
    for (std::string line; std::getline(std::cin, line);) {
      if (texts.empty() && line.starts_with(byte_order_mark)) line.erase(0, byte_order_mark.size());
      if (line.ends_with('\r')) line.pop_back();
      texts.push_back(values.contains("json-input") ? parse_line(line, texts.size() + 1) : line);
    }
  }
  CommandResult result;
  for (auto const& text : texts) result.output += format(tokenizer, text, values.contains("json"));
  return result;
}

}  // namespace

Command tokenize_command() {
  Command command{"tokenize",
                  "--model FOLDER [options] [TEXT ...]",
                  "Without TEXT, every line of stdin is a text.",
                  "  onemask tokenize --model checkpoints/gpt2 \"The mother tongue of Danielle Darrieux is\"\n"
                  "  onemask tokenize --model checkpoints/gpt2 --json < prompts.txt\n",
                  -1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return tokenize(values); }};
  command.options->add_options()                                                                                                //
      ("model", po::value<std::string>()->value_name("FOLDER"), "with tokenizer.json, or vocab.json and merges.txt; required")  //
      ("json-input", "every line of stdin is a JSON string, so that texts may hold line breaks")                                //
      ("json", "one JSON object per line: text, ids, pieces");
  return command;
}

}  // namespace onemask
