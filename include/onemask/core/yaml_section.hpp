#pragma once

#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

namespace onemask {

/// One mapping of a YAML file. Every key that is read is remembered; `finish` refuses the rest.
class YamlSection {
 public:
  /// `kind` is what the file describes, for messages.
  YamlSection(YAML::Node node, std::string file, std::string path, std::string kind = "study")
      : node_(std::move(node)), file_(std::move(file)), path_(std::move(path)), kind_(std::move(kind)) {
    if (node_ && !node_.IsNull() && !node_.IsMap()) throw fault("", "must be a mapping of names to values");
    auto names = keys();
    std::sort(names.begin(), names.end());
    auto const twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) throw fault(*twice, "is given twice");
  }

  bool has(std::string const& key) {
    known_.push_back(key);
    return node_ && node_.IsMap() && node_[key];
  }

  YamlSection section(std::string const& key) { return {has(key) ? node_[key] : YAML::Node(), file_, path_ + key + ".", kind_}; }

  YAML::Node node(std::string const& key) { return has(key) ? node_[key] : YAML::Node(); }

  /// Replaces `value` when the key is there.
  template <typename T>
  void read(std::string const& key, T& value) {
    if (!has(key)) return;
    try {
      value = node_[key].as<T>();
    } catch (YAML::Exception const&) {
      throw fault(key, "has a value of the wrong type");
    }
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

  std::vector<std::string> keys() const {
    std::vector<std::string> names;
    if (node_ && node_.IsMap()) {
      for (auto const& item : node_) names.push_back(item.first.as<std::string>(""));
    }
    return names;
  }

  void finish() const {
    for (auto const& name : keys()) {
      if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
        throw fault(name, "is not a key that a " + kind_ + " knows." + did_you_mean(name, known_), "");
      }
    }
  }

  UserError fault(std::string const& key, std::string const& problem, std::string const& end = ".") const {
    auto name = path_ + key;
    if (name.ends_with('.')) name.pop_back();  // the section itself
    return UserError(file() + ": " + (name.empty() ? "it" : "'" + name + "'") + " " + problem + end);
  }

 private:
  YAML::Node node_;
  std::string file_, path_, kind_;
  std::vector<std::string> known_;
};

}  // namespace onemask
