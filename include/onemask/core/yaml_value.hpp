#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace YAML {
class Node;
}

namespace onemask {

/// A value of a YAML document, as yaml-cpp has read it. Null where there is none.
class YamlValue {
 public:
  YamlValue(YAML::Node const& node);
  explicit YamlValue(std::string const& text);

  bool is_null() const;
  bool is_list() const;
  bool is_mapping() const;
  /// Whether it is this text, without a list or a mapping around it.
  bool is(std::string_view text) const;

  /// The names in a mapping, in the file's order; of something else none.
  std::vector<std::string> keys() const;
  /// Whether a mapping has this name, be it with nothing behind it.
  bool has(std::string const& key) const;
  /// What a mapping has under this name.
  YamlValue at(std::string const& key) const;
  std::vector<YamlValue> elements() const;

  /// Nothing where it is no T. Those that files hold are at the end of yaml_value.cpp.
  template <typename T>
  std::optional<T> as() const;
  /// Of a list of texts, or of one text; nothing where it is neither.
  std::optional<std::vector<std::string>> texts() const;
  /// What to say of a value that is no T, as the end of a sentence: "must be a whole number, but is 'many'".
  template <typename T>
  std::string no_value_of() const;
  /// The value as YAML on one line.
  std::string text() const;

 private:
  std::shared_ptr<YAML::Node const> node_;
};

}  // namespace onemask
