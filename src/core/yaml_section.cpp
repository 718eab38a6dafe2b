#include <onemask/core/text.hpp>
#include <onemask/core/yaml_section.hpp>

#include <algorithm>

namespace onemask {

YamlSection::YamlSection(YamlValue value, std::string file, std::string path, std::string kind)
    : value_(std::move(value)), file_(std::move(file)), path_(std::move(path)), kind_(std::move(kind)) {
  if (!value_.is_null() && !value_.is_mapping()) throw fault("", "must be a mapping of names to values");
  auto names = keys();
  std::sort(names.begin(), names.end());
  auto const twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw fault(*twice, "is given twice");
}

bool YamlSection::has(std::string const& key) {
  known_.push_back(key);
  return value_.has(key);
}

YamlSection YamlSection::section(std::string const& key) {
  return {value(key), file_, path_ + key + ".", kind_};
}

YamlValue YamlSection::value(std::string const& key) {
  known_.push_back(key);
  return value_.at(key);
}

void YamlSection::finish() const {
  for (auto const& name : keys()) {
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      throw fault(name, "is not a key that a " + kind_ + " knows." + did_you_mean(name, known_), "");
    }
  }
}

UserError YamlSection::fault(std::string const& key, std::string const& problem, std::string const& end) const {
  auto name = path_ + key;
  if (name.ends_with('.')) name.pop_back();  // the section itself
  return UserError(file() + ": " + (name.empty() ? "it" : "'" + name + "'") + " " + problem + end);
}

}  // namespace onemask
