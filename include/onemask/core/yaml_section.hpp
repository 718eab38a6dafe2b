#pragma once

#include <onemask/core/error.hpp>
#include <onemask/core/yaml_value.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace onemask {

/// One mapping of a YAML file. Every key that is read is remembered; `finish` refuses the rest.
class YamlSection {
 public:
  /// `kind` is what the file describes, for messages. Throws UserError where the value is no mapping, or has a key twice.
  YamlSection(YamlValue value, std::string file, std::string path, std::string kind = "study");

  bool has(std::string const& key);
  YamlSection section(std::string const& key);
  /// Null when the key is not there.
  YamlValue value(std::string const& key);

  /// Replaces `value` when the key is there.
  template <typename T>
  void read(std::string const& key, T& value) {
    if (!has(key)) return;
    auto given = value_.at(key).as<T>();
    if (!given) throw fault(key, value_.at(key).no_value_of<T>());
    value = *std::move(given);
  }

  template <typename T>
  T need(std::string const& key) {
    if (!has(key)) throw fault(key, "is missing");
    T value{};
    read(key, value);
    return value;
  }

  /// A number that must be at least `least`.
  template <typename T>
  void read_at_least(std::string const& key, T& value, T least) {
    read(key, value);
    if (!(value >= least)) throw fault(key, fmt::format("must be at least {}", least));
  }

  /// For messages: "The study FILE".
  std::string file() const { return "The " + kind_ + " " + file_; }

  std::vector<std::string> keys() const { return value_.keys(); }

  void finish() const;

  UserError fault(std::string const& key, std::string const& problem, std::string const& end = ".") const;

 private:
  YamlValue value_;
  std::string file_, path_, kind_;
  std::vector<std::string> known_;
};

}  // namespace onemask
