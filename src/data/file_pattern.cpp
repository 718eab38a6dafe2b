#include <onemask/core/error.hpp>
#include <onemask/data/file_pattern.hpp>

#include <algorithm>
#include <glob.h>
#include <string>

namespace onemask {

std::vector<std::filesystem::path> matching_files(std::filesystem::path const& pattern) {
  if (pattern.string().find_first_of("*?[") == std::string::npos || std::filesystem::exists(pattern)) return {pattern};
  glob_t found{};
  std::vector<std::filesystem::path> files;
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  if (files.empty()) throw UserError("No file matches '" + pattern.string() + "'. Check the path.");
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace onemask
