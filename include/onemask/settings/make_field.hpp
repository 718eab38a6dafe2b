#pragma once

#include <onemask/core/names.hpp>
#include <onemask/settings/field.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace onemask {

// Values as YAML on one line.

inline std::string yaml_text(bool value) {
  return value ? "true" : "false";
}
template <std::integral T>
std::string yaml_text(T value) {
  return std::to_string(value);
}
/// As short as reading gives the same number.
inline std::string yaml_text(double value) {
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  std::array<char, 32> digits{};
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}
std::string yaml_text(std::string const& value);
inline std::string yaml_text(std::filesystem::path const& value) {
  return yaml_text(value.string());
}
template <typename T, typename U>
std::string yaml_text(std::pair<T, U> const& value) {
  return "[" + yaml_text(value.first) + ", " + yaml_text(value.second) + "]";
}
template <typename T>
std::string yaml_text(std::vector<T> const& values) {
  std::string text;
  for (auto const& value : values) text += (text.empty() ? "" : ", ") + yaml_text(value);
  return "[" + text + "]";
}
template <std::integral Key, typename T>
std::string yaml_text(std::map<Key, T> const& values) {
  std::string text;
  for (auto const& [key, value] : values) text += (text.empty() ? "" : ", ") + yaml_text(key) + ": " + yaml_text(value);
  return "{" + text + "}";
}
template <typename T>
std::string yaml_text(std::optional<T> const& value) {
  return value ? yaml_text(*value) : "";
}

/// A value as lines that are hashed have it: numbers with 17 digits.
template <typename Options, typename T>
typename Field<Options>::Text hashed_value(T Options::*member) {
  return [member](Options const& options) {
    if constexpr (requires(std::ostream & out, T const& value) { out << value; }) {
      std::ostringstream text;
      text.precision(17);
      text << options.*member;
      return text.str();
    } else {
      return yaml_text(options.*member);
    }
  };
}

// The makers of fields; `member` is where the struct has the setting.

/// A field whose value is read as a Read; `take` gives what is wrong with it, or sets it.
template <typename Read, typename Options, typename Take>
Field<Options> make_field(FieldInfo info, Take take, typename Field<Options>::Text text, typename Field<Options>::Text hashed) {
  Field<Options> field{std::move(info), {}, text, hashed};
  field.set = [take](Options& options, YamlValue const& value) -> std::string {
    auto read = value.as<Read>();
    return read ? take(options, *std::move(read)) : value.no_value_of<Read>();
  };
  return field;
}

/// A field that takes every value of its type.
template <typename Options, typename T>
Field<Options> any_value(FieldType type, char const* name, T Options::*member, char const* meaning) {
  auto const take = [member](Options& options, T value) {
    options.*member = std::move(value);
    return std::string();
  };
  auto const text = [member](Options const& options) { return yaml_text(options.*member); };
  return make_field<T, Options>({.name = name, .type = type, .meaning = meaning}, take, text, hashed_value(member));
}

template <typename T>
struct NumberOf {
  using Type = T;
};
template <typename T>
struct NumberOf<std::optional<T>> {
  using Type = T;
};

/// A number, or one that may be absent.
template <typename Options, typename T>
Field<Options> number(char const* name, T Options::*member, Bounds const& bounds, char const* unit, char const* meaning) {
  using Number = typename NumberOf<T>::Type;
  auto const take = [member, bounds](Options& options, Number value) -> std::string {
    if (!bounds.hold(static_cast<double>(value))) return "must be " + (bounds.words.empty() ? "a finite number" : bounds.words);
    options.*member = value;
    return "";
  };
  FieldInfo info{.name = name, .type = std::is_integral_v<Number> ? FieldType::whole : FieldType::number, .meaning = meaning};
  info.unit = unit;
  info.bounds = bounds;
  auto const text = [member](Options const& options) { return yaml_text(options.*member); };
  return make_field<Number, Options>(std::move(info), take, text, hashed_value(member));
}

template <typename Options>
Field<Options> flag(char const* name, bool Options::*member, char const* meaning) {
  return any_value(FieldType::flag, name, member, meaning);
}

template <typename Value, std::size_t count>
std::vector<std::string> list_of(std::array<Named<Value>, count> const& names) {
  std::vector<std::string> list;
  for (auto const& item : names) list.emplace_back(item.name);
  return list;
}

/// One of the names; Value converts to T.
template <typename Options, typename T, typename Value, std::size_t count>
Field<Options> choice(char const* name, T Options::*member, std::array<Named<Value>, count> const& names, char const* meaning) {
  auto const take = [member, names](Options& options, std::string const& text) -> std::string {
    auto const value = value_of(names, text);
    if (!value) return "is '" + text + "'; known are " + all_names(names);
    options.*member = *value;
    return "";
  };
  FieldInfo info{.name = name, .type = FieldType::name, .meaning = meaning};
  info.choices = list_of(names);
  auto const text = [member, names](Options const& options) { return name_of(names, Value(options.*member)); };
  return make_field<std::string, Options>(std::move(info), take, text, text);
}

/// Some of the names, each at most once.
template <typename Options, typename Value, std::size_t count>
Field<Options> choices(char const* name, std::vector<Value> Options::*member, std::array<Named<Value>, count> const& names,
                       char const* meaning) {
  auto const take = [member, names](Options& options, std::vector<std::string> const& texts) -> std::string {
    std::vector<Value> values;
    for (auto const& text : texts) {
      auto const value = value_of(names, text);
      if (!value) return "names '" + text + "'; known are " + all_names(names);
      if (std::find(values.begin(), values.end(), *value) != values.end()) return "names '" + text + "' twice";
      values.push_back(*value);
    }
    options.*member = std::move(values);
    return "";
  };
  FieldInfo info{.name = name, .type = FieldType::names, .meaning = meaning};
  info.choices = list_of(names);
  auto const text = [member, names](Options const& options) {
    std::vector<std::string> texts;
    for (auto value : options.*member) texts.push_back(name_of(names, value));
    return yaml_text(texts);
  };
  return make_field<std::vector<std::string>, Options>(std::move(info), take, text, text);
}

/// The same, and at least one.
template <typename Options, typename Value, std::size_t count>
Field<Options> some_choices(char const* name, std::vector<Value> Options::*member, std::array<Named<Value>, count> const& names,
                            char const* meaning) {
  auto field = choices(name, member, names, meaning);
  field.set = [set = field.set, member, names](Options& options, YamlValue const& value) -> std::string {
    auto const problem = set(options, value);
    return problem.empty() && (options.*member).empty() ? "must name at least one of " + all_names(names) : problem;
  };
  return field;
}

template <typename Options>
Field<Options> file(char const* name, std::filesystem::path Options::*member, char const* meaning) {
  auto const take = [member](Options& options, std::string const& value) {
    options.*member = value;
    return std::string();
  };
  auto const text = [member](Options const& options) { return yaml_text(options.*member); };
  return make_field<std::string, Options>({.name = name, .type = FieldType::file, .meaning = meaning}, take, text, text);
}

/// A file name or a list of them; File is a text or a path.
template <typename Options, typename File>
Field<Options> files(char const* name, std::vector<File> Options::*member, char const* meaning) {
  Field<Options> field{{.name = name, .type = FieldType::files, .meaning = meaning}, {}, {}, {}};
  field.set = [member](Options& options, YamlValue const& value) -> std::string {
    auto const names = value.texts();
    if (!names) return "must be a file name or a list of file names";
    options.*member = std::vector<File>(names->begin(), names->end());
    return "";
  };
  field.text = field.hashed = [member](Options const& options) { return yaml_text(options.*member); };
  return field;
}

}  // namespace onemask
