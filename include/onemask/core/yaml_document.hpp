#pragma once

#include <onemask/core/yaml_value.hpp>

#include <string>
#include <utility>
#include <vector>

namespace YAML {
class Node;
}

namespace onemask {

/// Throws UserError "NAME is not valid YAML: …".
YAML::Node parse_yaml(std::string const& text, std::string const& name);
/// The same for those who do not use yaml-cpp.
YamlValue yaml_of(std::string const& text, std::string const& name);

/// The two sides of "key=value", as the command line's `option` takes them; UserError for another form.
std::pair<std::string, std::string> key_and_value(std::string const& text, char const* option);

/// Replaces the value at a dotted key such as "mask.epochs". Throws UserError when something on the way is no mapping.
void assign(YAML::Node root, std::string const& key, YAML::Node const& value);

/// Replaces the values that --set names, each "key=value".
void override_values(YAML::Node const& root, std::vector<std::string> const& settings);

}  // namespace onemask
