#include "commands/light_commands.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/study/keys.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

std::string with_unit(StudyKey const& key) {
  return key.unit.empty() ? key.values : key.values + " [" + key.unit + "]";
}

std::string or_dash(std::string const& text) {
  return text.empty() || text == "[]" || text == "{}" || text == "\"\"" ? "–" : text;
}

std::string keys_text(std::vector<StudyKey> const& keys) {
  std::string text;
  for (auto const& key : keys)
    text += key.key + "  " + or_dash(key.standard) + "  (" + with_unit(key) + ")\n    " + key.meaning + "\n";
  return text;
}

/// The table of docs/studies.md.
std::string keys_markdown(std::vector<StudyKey> const& keys) {
  std::string text = "| key | default | values | meaning |\n|---|---|---|---|\n";
  for (auto const& key : keys)
    text += "| `" + key.key + "` | " + or_dash(key.standard) + " | " + with_unit(key) + " | " + key.meaning + " |\n";
  return text;
}

CommandResult list_keys(po::variables_map const& values, Environment const&) {
  if (values.contains("json-schema")) return {study_schema(), 0};
  auto const given = operands(values);
  auto const prefix = given.empty() ? "" : given.front();
  std::vector<StudyKey> found;
  std::vector<std::string> names;
  for (auto& key : study_keys()) {
    names.push_back(key.key);
    if (key.key.starts_with(prefix)) found.push_back(std::move(key));
  }
  if (found.empty()) throw UserError("No key of a study begins with '" + prefix + "'." + did_you_mean(prefix, names));
  return {values.contains("markdown") ? keys_markdown(found) : keys_text(found), 0};
}

}  // namespace

Command keys_command() {
  Command command{"keys",
                  "[PREFIX] [options]",
                  "PREFIX: only the keys that begin so, such as 'mask.'.",
                  "  onemask keys mask.\n"
                  "  onemask keys --json-schema > study.schema.json\n",
                  1,
                  false,
                  no_options(),
                  list_keys};
  command.options->add_options()                                    //
      ("json-schema", "a JSON schema of study files, for editors")  //
      ("markdown", "as the table of the documentation");
  return command;
}

}  // namespace onemask
