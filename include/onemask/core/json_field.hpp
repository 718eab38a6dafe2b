#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace onemask::detail {

/// A parsed file, which gzip may have packed. Throws UserError when it cannot be read or is not JSON: where, and why if that is
/// known.
nlohmann::json parse_json_file(std::filesystem::path const& file);
/// The same; a file whose lines are JSON objects gives a list of them.
nlohmann::json parse_json_or_lines(std::filesystem::path const& file);

/// One value of a parsed file (which must outlive it) and where it stands, so that whatever is wrong with it can be said. Every
/// function throws UserError when the value is not what it asks for.
class JsonField {
 public:
  /// `place` is what a message begins with: "'facts.json', record 3".
  JsonField(nlohmann::json const& value, std::string place) : value_(&value), place_(std::move(place)) {}

  /// A member of an object.
  JsonField at(std::string_view name) const;
  /// The same, or nothing when it is absent or null.
  std::optional<JsonField> find(std::string_view name) const;
  /// The elements of a list.
  std::vector<JsonField> elements() const;

  std::string const& text() const;
  /// In [0, 2^63).
  std::int64_t integer() const;
  bool boolean() const;
  /// The value itself, an object.
  nlohmann::json const& object() const;

  bool is_text() const;
  bool is_list() const;

  /// Where it stands: "'facts.json', record 3: field 'subject'".
  std::string place() const;
  /// Throws UserError "<place> <complaint>".
  [[noreturn]] void fail(std::string const& complaint) const;

 private:
  JsonField member(nlohmann::json const& value, std::string_view name) const;

  nlohmann::json const* value_;
  std::string place_;
  std::string path_ = {};  // of the value below `place_`: "requested_rewrite.subject"
};

}  // namespace onemask::detail
