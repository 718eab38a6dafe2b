#include "checkpoint/config_fields.hpp"

#include "checkpoint/json.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

using Json = nlohmann::json;

std::optional<std::int64_t> whole(Json const* value) {
  if (!value || !value->is_number_integer()) return std::nullopt;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  return value->get<std::int64_t>();
}

bool is_positive(Json const& value) {
  return value.is_number() && value.get<double>() > 0 && std::isfinite(value.get<double>());
}

}  // namespace

void ConfigFields::refuse(std::string const& field, std::string const& expected) const {
  auto const* value = find(field);
  throw UserError(where_ + ": '" + field + "' is " + (value ? detail::excerpt(*value) : "missing") + "; " + expected + ".");
}

bool ConfigFields::is_null(std::string const& field) const {
  auto const found = object_.find(field);
  return found != object_.end() && found->is_null();
}

Json const* ConfigFields::find(std::string const& field) const {
  auto const found = object_.find(field);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::int64_t ConfigFields::size(std::string const& field, std::int64_t most) const {
  auto const number = whole(find(field));
  if (!number || *number < 1 || *number > most) refuse(field, fmt::format("it must be a whole number from 1 to {}", most));
  return *number;
}

std::int64_t ConfigFields::size(std::string const& field, std::int64_t most, std::int64_t otherwise) const {
  return find(field) ? size(field, most) : otherwise;
}

double ConfigFields::positive(std::string const& field) const {
  auto const* value = find(field);
  if (!value || !is_positive(*value)) refuse(field, "it must be a number above 0");
  return value->get<double>();
}

double ConfigFields::positive(std::string const& field, double otherwise) const {
  return find(field) ? positive(field) : otherwise;
}

std::optional<double> ConfigFields::positive_or_none(std::string const& field) const {
  return find(field) ? std::optional(positive(field)) : std::nullopt;
}

std::vector<double> ConfigFields::positives(std::string const& field, std::size_t count) const {
  auto const* value = find(field);
  if (!value || !value->is_array() || value->size() != count || !std::all_of(value->begin(), value->end(), is_positive))
    refuse(field, fmt::format("it must be a list of {} numbers above 0", count));
  return value->get<std::vector<double>>();
}

bool ConfigFields::flag(std::string const& field, bool otherwise) const {
  auto const* value = find(field);
  if (value && !value->is_boolean()) refuse(field, "it must be true or false");
  return value ? value->get<bool>() : otherwise;
}

std::string ConfigFields::text(std::string const& field, std::string const& otherwise) const {
  auto const* value = find(field);
  if (value && !value->is_string()) refuse(field, "it must be a text");
  return value ? value->get<std::string>() : otherwise;
}

std::optional<std::vector<std::string>> ConfigFields::texts(std::string const& field, std::size_t count) const {
  auto const* value = find(field);
  if (!value) return std::nullopt;
  auto const is_text = [](Json const& item) { return item.is_string(); };
  if (!value->is_array() || value->size() != count || !std::all_of(value->begin(), value->end(), is_text))
    refuse(field, fmt::format("it must be a list of {} texts", count));
  return value->get<std::vector<std::string>>();
}

std::optional<std::int64_t> ConfigFields::token(std::string const& field, std::int64_t vocabulary) const {
  auto const* value = find(field);
  if (value && value->is_array()) value = value->empty() ? nullptr : &value->front();
  if (!value) return std::nullopt;
  auto const number = whole(value);
  if (!number) refuse(field, "it must be a token id");
  return *number >= 0 && *number < vocabulary ? number : std::nullopt;
}

std::string ConfigFields::activation(std::string const& field, std::string const& usual, Activations const& known) const {
  auto const found = known.find(text(field, usual));
  if (found != known.end()) return found->second;
  refuse(field, "supported are: " + join(known, ", ", [](auto const& item) { return item.first; }));
}

std::optional<ConfigFields> ConfigFields::inside(std::string const& field) const {
  auto const* value = find(field);
  if (!value) return std::nullopt;
  if (!value->is_object()) refuse(field, "it must be an object ({...}) or null");
  return ConfigFields(*value, where_ + ": '" + field + "'");
}

ConfigFields ConfigFields::over(Json defaults) const {
  for (auto const& [name, value] : object_.items())
    if (!value.is_null() || !defaults.contains(name)) defaults[name] = value;
  return {std::move(defaults), where_};
}

}  // namespace onemask
