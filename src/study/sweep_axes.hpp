#pragma once

#include <onemask/study/study.hpp>

#include <cstddef>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

namespace onemask {

/// Keys that are swept together: of each the list of its values, equally long.
struct SweepAxis {
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> values;

  std::size_t length() const { return values.front().size(); }
};
using Sweep = std::vector<SweepAxis>;

/// What the document says under "sweep", and the command line besides: there a key replaces the document's. A list under
/// mask.zeros is swept unless that key is. `file` is the
/// document's name in messages. Throws UserError naming file and key.
Sweep read_sweep(YAML::Node const& document, StudyOverrides const& overrides, std::string const& file);

}  // namespace onemask
