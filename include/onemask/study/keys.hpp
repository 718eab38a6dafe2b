#pragma once

#include <onemask/study/study.hpp>

#include <string>
#include <vector>

namespace onemask {

/// A key of study files, for the reference.
struct StudyKey {
  std::string key;       ///< "mask.epochs"; SPLIT and KEY stand for names
  std::string standard;  ///< what stands for it where a study has none; empty: nothing
  std::string values;    ///< that it takes, in words
  std::string unit;
  std::string meaning;  ///< one line
  std::string schema;   ///< JSON schema of its value
  bool required = false;
  bool in_words = false;  ///< `standard` says what happens, and is no value
};

/// Every key, section after section.
std::vector<StudyKey> study_keys();

/// JSON schema (draft 2020-12) of study files, for editors.
std::string study_schema();

/// The study as YAML with the values of all settings, those of its first point where they depend on what is swept. Read in the
/// same folder it is the same study.
std::string with_defaults(Study const& study);

}  // namespace onemask
