#pragma once

#include <onemask/core/yaml_value.hpp>

#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace onemask {

/// The first of the stored objects whose names a setting is part of; objects that are made from these follow.
enum class Enters {
  nothing,  ///< it decides no result
  content,  ///< names hold what the setting leads to: the content of a file, sampled templates, the model, how products are made
  edits,    ///< edits and values
  solve,    ///< edited models that hold many facts
  mask,
  scores,
  moments,
  perplexity
};

enum class FieldType {
  whole,
  number,
  number_or_false,
  number_or_list,
  flag,
  name,
  names,
  text,
  texts,
  file,
  files,
  wholes,
  pairs,
  baselines,
  patches,
  files_by_layer,
  files_by_fact
};

/// The numbers that a setting may take; infinite ones only where `infinite` says so.
struct Bounds {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  bool with_least = true, with_most = true, infinite = false;
  std::string words = {};  ///< follow "must be"; empty: any finite number

  bool hold(double value) const;
};
Bounds at_least(int least);
Bounds positive();
/// Both exclusive.
Bounds between(int least, int most);
/// At least 0 and under 1.
Bounds share();
/// Above 0, and infinite too; `meaning` says what that does.
Bounds positive_or_infinite(std::string const& meaning);

/// What the reference says of a setting.
struct FieldInfo {
  std::string name = {};  ///< in files
  FieldType type = FieldType::text;
  std::string meaning = {};  ///< one line
  std::string unit = {};
  Bounds bounds = {};
  std::vector<std::string> choices = {};  ///< of a name
  Enters enters = Enters::nothing;
  bool required = false;
  bool special = false;  ///< the reader of its section reads it, and the reference describes it by hand
};

/// One setting of a struct: the only place that names it. A table has the order of the line that names objects.
template <typename Options>
struct Field : FieldInfo {
  using Text = std::function<std::string(Options const&)>;

  /// Takes the value of a file. What is wrong with it as the end of a sentence, e.g. "must be at least 1"; empty: it was taken.
  std::function<std::string(Options&, YamlValue const&)> set;
  Text text;                                                 ///< the value as YAML on one line, exactly
  Text hashed;                                               ///< the value as lines that are hashed have it
  Text line = [](Options const&) { return std::string(); };  ///< what it adds to the line of its objects
  /// Whether files with such settings give it; otherwise it is passed over.
  std::function<bool(Options const&)> given_for = [](Options const&) { return true; };
  /// Whether it decides anything beside such settings; a study that gives it where it never does is refused.
  std::function<bool(Options const&)> used_for = [](Options const&) { return true; };

  Field enter(Enters objects) const {
    auto field = *this;
    field.enters = objects;
    return field;
  }
  /// Adds this to the line that is hashed for these objects.
  Field in_line(Enters objects, Text const& addition) const {
    auto field = enter(objects);
    field.line = addition;
    return field;
  }
  /// Adds `word` and its value.
  Field in_line(Enters objects, char const* word) const {
    return in_line(objects, [word, value = hashed](Options const& options) { return word + value(options); });
  }
  Field must_be_given() const {
    auto field = *this;
    field.required = true;
    return field;
  }
  Field may_be_given_for(std::function<bool(Options const&)> const& such) const {
    auto field = *this;
    field.given_for = such;
    return field;
  }
  Field must_be_given_for(std::function<bool(Options const&)> const& such) const {
    return may_be_given_for(such).must_be_given();
  }
  Field use_for(std::function<bool(Options const&)> const& such) const {
    auto field = *this;
    field.used_for = such;
    return field;
  }
  Field read_by_hand() const {
    auto field = *this;
    field.special = true;
    return field;
  }
};

template <typename Options>
using Fields = std::vector<Field<Options>>;

/// The table of a struct; every struct of settings has a specialization in its own header.
template <typename Options>
Fields<Options> const& fields_of();

/// The line of the fields that enter these objects' names and are used.
template <typename Options>
std::string line_of(Options const& options, Enters enters) {
  std::string text;
  for (auto const& field : fields_of<Options>()) {
    if (field.enters == enters && field.used_for(options)) text += field.line(options);
  }
  return text;
}

}  // namespace onemask
