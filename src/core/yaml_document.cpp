#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

namespace onemask {

YAML::Node parse_yaml(std::string const& text, std::string const& name) {
  try {
    return YAML::Load(text);
  } catch (YAML::Exception const& e) {
    throw UserError(
        fmt::format("{} is not valid YAML (line {}, column {}): {}.", name, e.mark.line + 1, e.mark.column + 1, e.msg));
  }
}

YamlValue yaml_of(std::string const& text, std::string const& name) {
  return parse_yaml(text, name);
}

std::pair<std::string, std::string> key_and_value(std::string const& text, char const* option) {
  auto const equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw UserError(std::string("The option ") + option + " takes key=value, but got '" + text + "'.");
  }
  auto const key = text.substr(0, equals);
  return {key.substr(0, key.find_last_not_of(' ') + 1), text.substr(equals + 1)};
}

void assign(YAML::Node root, std::string const& key, YAML::Node const& value) {
  auto const parts = split_text(key, '.');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    YAML::Node child = root[parts[i]];
    if (child && !child.IsNull() && !child.IsMap())
      throw UserError("The override '" + key + "': '" + parts[i] + "' is not a section of the study.");
    root.reset(child);
  }
  root[parts.back()] = value;
}

void override_values(YAML::Node const& root, std::vector<std::string> const& settings) {
  for (auto const& text : settings) {
    auto const [key, value] = key_and_value(text, "--set");
    assign(root, key, parse_yaml(value, "The value of '" + key + "'"));
  }
}

}  // namespace onemask
