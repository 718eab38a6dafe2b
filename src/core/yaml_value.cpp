#include <onemask/core/yaml_value.hpp>

#include <cstdint>
#include <map>
#include <utility>

#include <yaml-cpp/yaml.h>

namespace onemask {

YamlValue::YamlValue(YAML::Node const& node)
    : node_(std::make_shared<YAML::Node const>(node.IsDefined() ? node : YAML::Node())) {}

YamlValue::YamlValue(std::string const& text) : node_(std::make_shared<YAML::Node const>(text)) {}

bool YamlValue::is_null() const {
  return node_->IsNull();
}

bool YamlValue::is_list() const {
  return node_->IsSequence();
}

bool YamlValue::is_mapping() const {
  return node_->IsMap();
}

bool YamlValue::is(std::string_view text) const {
  return node_->IsScalar() && node_->Scalar() == text;
}

std::vector<std::string> YamlValue::keys() const {
  std::vector<std::string> names;
  if (!is_mapping()) return names;
  for (auto const& item : *node_) names.push_back(item.first.as<std::string>(""));
  return names;
}

bool YamlValue::has(std::string const& key) const {
  return is_mapping() && (*node_)[key].IsDefined();
}

YamlValue YamlValue::at(std::string const& key) const {
  return is_mapping() ? (*node_)[key] : YAML::Node();
}

std::vector<YamlValue> YamlValue::elements() const {
  std::vector<YamlValue> values;
  if (!is_list()) return values;
  for (auto const& item : *node_) values.emplace_back(item);
  return values;
}

template <typename T>
std::optional<T> YamlValue::as() const {
  try {
    return node_->as<T>();
  } catch (YAML::Exception const&) {
    return std::nullopt;
  }
}

std::optional<std::vector<std::string>> YamlValue::texts() const {
  if (!node_->IsScalar()) return as<std::vector<std::string>>();
  return std::vector{node_->Scalar()};
}

template std::optional<bool> YamlValue::as() const;
template std::optional<int> YamlValue::as() const;
template std::optional<std::int64_t> YamlValue::as() const;
template std::optional<std::uint64_t> YamlValue::as() const;
template std::optional<double> YamlValue::as() const;
template std::optional<std::string> YamlValue::as() const;
template std::optional<std::vector<int>> YamlValue::as() const;
template std::optional<std::vector<std::size_t>> YamlValue::as() const;
template std::optional<std::vector<std::string>> YamlValue::as() const;
template std::optional<std::vector<std::pair<int, int>>> YamlValue::as() const;
template std::optional<std::map<int, std::string>> YamlValue::as() const;

}  // namespace onemask
