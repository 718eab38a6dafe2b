#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace onemask {

/// A value of an enumeration and its name in files. An enumeration has one array of these.
template <typename Value>
struct Named {
  Value value;
  char const* name;
};

template <typename Value, std::size_t count>
std::string name_of(std::array<Named<Value>, count> const& names, Value value) {
  return std::find_if(names.begin(), names.end(), [&](auto const& item) { return item.value == value; })->name;
}

/// Nothing where no value has the name.
template <typename Value, std::size_t count>
std::optional<Value> value_of(std::array<Named<Value>, count> const& names, std::string_view name) {
  for (auto const& item : names) {
    if (item.name == name) return item.value;
  }
  return std::nullopt;
}

/// "margin, nll, none".
template <typename Value, std::size_t count>
std::string all_names(std::array<Named<Value>, count> const& names) {
  std::string list;
  for (auto const& item : names) list += (list.empty() ? "" : ", ") + std::string(item.name);
  return list;
}

}  // namespace onemask
