#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace onemask {

// Far above every published model, far below what would overflow a product of two of them.
inline constexpr std::int64_t most_layers = 10'000, widest = std::int64_t{1} << 24, most_positions = std::int64_t{1} << 24;

/// Hugging Face's name of an activation -> the name here.
using Activations = std::map<std::string, std::string>;

/// The fields of one JSON object. A field that is null counts as absent. What is not as it must be is a UserError that names
/// `where`, the field, its value and what is expected.
class ConfigFields {
 public:
  ConfigFields(nlohmann::json object, std::string where) : object_(std::move(object)), where_(std::move(where)) {}

  [[noreturn]] void refuse(std::string const& field, std::string const& expected) const;

  nlohmann::json const& object() const { return object_; }
  bool is_null(std::string const& field) const;
  nlohmann::json const* find(std::string const& field) const;

  /// A whole number from 1 to `most`.
  std::int64_t size(std::string const& field, std::int64_t most) const;
  std::int64_t size(std::string const& field, std::int64_t most, std::int64_t otherwise) const;
  /// A finite number above 0.
  double positive(std::string const& field) const;
  double positive(std::string const& field, double otherwise) const;
  std::optional<double> positive_or_none(std::string const& field) const;
  /// `count` of them.
  std::vector<double> positives(std::string const& field, std::size_t count) const;
  bool flag(std::string const& field, bool otherwise) const;
  std::string text(std::string const& field, std::string const& otherwise) const;
  /// A list of `count` texts, if it is there.
  std::optional<std::vector<std::string>> texts(std::string const& field, std::size_t count) const;
  /// A token id; of a list (chat models end with several) the first. Nothing for an id that no token has: many files keep the
  /// default of another vocabulary.
  std::optional<std::int64_t> token(std::string const& field, std::int64_t vocabulary) const;
  std::string activation(std::string const& field, std::string const& usual, Activations const& known) const;

  /// The fields of an object in this one, if it is there.
  std::optional<ConfigFields> inside(std::string const& field) const;
  /// These fields, and those of `defaults` that are missing or null.
  ConfigFields over(nlohmann::json defaults) const;

 private:
  nlohmann::json object_;
  std::string where_;
};

}  // namespace onemask
