#include <onemask/core/yaml_value.hpp>

#include <cstdint>
#include <map>
#include <type_traits>
#include <utility>

#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

/// What values of a type are called.
template <typename T>
constexpr char const* kind = "";
template <>
constexpr char const* kind<bool> = "true or false";
template <>
constexpr char const* kind<int> = "a whole number";
template <>
constexpr char const* kind<std::int64_t> = "a whole number";
template <>
constexpr char const* kind<std::uint64_t> = "a whole number from 0";
template <>
constexpr char const* kind<double> = "a number";
template <>
constexpr char const* kind<std::string> = "a text";
template <>
constexpr char const* kind<std::vector<int>> = "a list of whole numbers such as [3, 4]";
template <>
constexpr char const* kind<std::vector<std::size_t>> = "a list of whole numbers from 0";
template <>
constexpr char const* kind<std::vector<std::string>> = "a list of texts such as [a, b]";
template <>
constexpr char const* kind<std::vector<std::pair<int, int>>> = "a list of pairs of whole numbers such as [[5, 10]]";
template <>
constexpr char const* kind<std::map<int, std::string>> = "files by whole number such as {13: FILE}";
template <>
constexpr char const* kind<std::map<std::int64_t, std::string>> = "files by whole number such as {13: FILE}";

/// Whether it looks like several numbers, or like one with a decimal comma.
bool is_series(std::string const& text) {
  return text.find_first_not_of("0123456789+-.,:;[] eE") == std::string::npos &&
         (text.find_first_of(",:;[ ") != std::string::npos || text.find("..") != std::string::npos ||
          (text.find('-', 1) != std::string::npos && text.find_first_of("eE") == std::string::npos));
}

}  // namespace

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

std::string YamlValue::text() const {
  if (node_->IsScalar()) return node_->Scalar();
  YAML::Emitter out;
  out << YAML::Flow << *node_;
  return out.c_str();
}

template <typename T>
std::string YamlValue::no_value_of() const {
  constexpr std::size_t longest = 60;
  auto given = is_null() ? "nothing" : "'" + text() + "'";
  if (given.size() > longest) given = given.substr(0, longest) + "...'";
  auto said = std::string("must be ") + kind<T> + ", but is " + given;
  if (std::is_arithmetic_v<T> && !is_null() && is_series(text()))
    said += "; several values are swept, as in --sweep KEY=0,1,2 or KEY=0..2, and decimals have a point";
  return said;
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
template std::optional<std::map<std::int64_t, std::string>> YamlValue::as() const;

template std::string YamlValue::no_value_of<bool>() const;
template std::string YamlValue::no_value_of<int>() const;
template std::string YamlValue::no_value_of<std::int64_t>() const;
template std::string YamlValue::no_value_of<std::uint64_t>() const;
template std::string YamlValue::no_value_of<double>() const;
template std::string YamlValue::no_value_of<std::string>() const;
template std::string YamlValue::no_value_of<std::vector<int>>() const;
template std::string YamlValue::no_value_of<std::vector<std::size_t>>() const;
template std::string YamlValue::no_value_of<std::vector<std::string>>() const;
template std::string YamlValue::no_value_of<std::vector<std::pair<int, int>>>() const;
template std::string YamlValue::no_value_of<std::map<int, std::string>>() const;
template std::string YamlValue::no_value_of<std::map<std::int64_t, std::string>>() const;

}  // namespace onemask
