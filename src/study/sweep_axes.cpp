#include "study/sweep_axes.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>
#include <onemask/core/yaml_value.hpp>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The values of swept keys: for one key a list, or a text like "0..7"; for several a list of lists, or a text like "0..7;1,2,4".
std::vector<std::vector<std::string>> swept_values(YAML::Node const& node, std::string const& key, std::size_t keys,
                                                   std::string const& file) {
  std::vector<std::vector<std::string>> lists;
  auto const add = [&](YAML::Node const& item) {
    if (!item.IsSequence()) return lists.push_back(expand_list(item.as<std::string>()));
    lists.emplace_back();
    for (auto const& value : item) lists.back().push_back(YamlValue(value).text());
  };
  try {
    if (keys == 1) {
      add(node);
    } else if (node.IsSequence()) {
      for (auto const& item : node) add(item);
    } else {
      for (auto const& list : split_text(node.as<std::string>(), ';')) lists.push_back(expand_list(list));
    }
  } catch (YAML::Exception const&) {
    throw UserError("The study " + file + ": 'sweep." + key +
                    "' must be a list of values, or a text such as 0..7; of several keys one list for each.");
  }
  return lists;
}

/// The value as it compares with others: numbers by their size, whole ones to their last digit.
std::string comparable(std::string const& value) {
  if (!value.empty() && value.find_first_not_of("0123456789") == std::string::npos)
    return value.substr(std::min(value.find_first_not_of('0'), value.size() - 1));
  char* end = nullptr;
  double const number = std::strtod(value.c_str(), &end);
  return !value.empty() && *end == '\0' ? fmt::format("{}", number) : value;
}

/// Adds an axis, or replaces the one of the same keys.
void add_axis(Sweep& sweep, SweepAxis axis, std::string const& name, std::string const& file) {
  static std::set<std::string> const of_the_whole_study{"mask.methods", "mask.ranks"};
  for (auto const& key : axis.keys) {
    if ((!key.starts_with("edit.") && !key.starts_with("mask.")) || of_the_whole_study.contains(key)) {
      throw UserError("The study " + file + " sweeps '" + key +
                      "'; only keys under edit. and mask. can be swept, except mask.methods and mask.ranks.");
    }
  }
  if (std::set<std::string>(axis.keys.begin(), axis.keys.end()).size() != axis.keys.size())
    throw UserError("The study " + file + ": '" + name + "' names a key twice.");
  auto const other_length = [&](auto const& list) { return list.size() != axis.values.front().size(); };
  if (axis.values.size() != axis.keys.size() || std::any_of(axis.values.begin(), axis.values.end(), other_length)) {
    throw UserError(
        fmt::format("The study {}: '{}' sweeps {} keys together, so it takes as many lists of the same length, "
                    "for instance 0..2;0.1,0.2,0.4.",
                    file, name, axis.keys.size()));
  }
  std::set<std::vector<std::string>> points;
  for (std::size_t i = 0; i < axis.length(); ++i) {
    std::vector<std::string> point;
    for (auto const& list : axis.values) point.push_back(comparable(list[i]));
    points.insert(std::move(point));
  }
  if (axis.length() == 0 || points.size() != axis.length()) {
    throw UserError("The study " + file + ": the values that '" + name + "' is swept over must be different, and at least one.");
  }
  for (auto& known : sweep) {
    if (known.keys == axis.keys) {
      known = std::move(axis);
      return;
    }
    for (auto const& key : axis.keys) {
      if (std::find(known.keys.begin(), known.keys.end(), key) != known.keys.end())
        throw UserError("The study " + file + " sweeps '" + key + "' twice, alone and together with other keys. Choose one.");
    }
  }
  sweep.push_back(std::move(axis));
}

/// What is swept would win over what --set says of it.
void refuse_swept_settings(Sweep const& sweep, std::vector<std::string> const& settings) {
  for (auto const& text : settings) {
    auto const key = key_and_value(text, "--set").first;
    for (auto const& axis : sweep) {
      if (std::find(axis.keys.begin(), axis.keys.end(), key) != axis.keys.end())
        throw UserError("The option --set gives '" + key + "', but the study sweeps it. Give its values by --sweep " + text +
                        ".");
    }
  }
}

std::vector<std::string> swept_keys(std::string const& name) {
  auto keys = split_text(name, ',');
  for (auto& key : keys) key = trimmed(key);
  return keys;
}

}  // namespace

Sweep read_sweep(YAML::Node const& document, StudyOverrides const& overrides, std::string const& file) {
  Sweep sweep;
  auto const section = document["sweep"];
  if (section && !section.IsNull() && !section.IsMap())
    throw UserError("The study " + file + ": 'sweep' must be a mapping of keys to values.");
  if (section && section.IsMap()) {
    for (auto const& item : section) {
      auto const name = item.first.as<std::string>("");
      auto const keys = swept_keys(name);
      add_axis(sweep, {keys, swept_values(item.second, name, keys.size(), file)}, name, file);
    }
  }
  for (auto const& text : overrides.sweep) {
    auto const [name, list] = key_and_value(text, "--sweep");
    auto const keys = swept_keys(name);
    auto const values = list.starts_with('[') ? parse_yaml(list, "The list after --sweep " + name) : YAML::Node(list);
    add_axis(sweep, {keys, swept_values(values, name, keys.size(), file)}, name, file);
  }
  refuse_swept_settings(sweep, overrides.set);
  // A list of shares is a sweep over them.
  std::string const zeros = "mask.zeros";
  auto const mask = document["mask"];
  auto const list = mask && mask.IsMap() ? mask["zeros"] : YAML::Node();
  auto const sweeps_zeros = [&](auto const& axis) {
    return std::find(axis.keys.begin(), axis.keys.end(), zeros) != axis.keys.end();
  };
  if (list && list.IsSequence() && std::none_of(sweep.begin(), sweep.end(), sweeps_zeros))
    add_axis(sweep, {{zeros}, swept_values(list, zeros, 1, file)}, zeros, file);
  return sweep;
}

}  // namespace onemask
