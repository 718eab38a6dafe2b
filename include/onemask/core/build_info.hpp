#pragma once

#include <map>
#include <string>

namespace onemask {

/// Version of the program, e.g. "0.1.0".
std::string version();

/// What this binary was built from: version, git revision, compiler, build type. Keys are stable; they go into result files.
std::map<std::string, std::string> build_info();

}  // namespace onemask
