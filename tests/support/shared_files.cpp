#include "support/shared_files.hpp"

#include <cstdlib>

namespace onemask::test {

std::filesystem::path source_folder() {
  char const* const named = std::getenv("ONEMASK_SOURCE");
  return named ? named : ONEMASK_SOURCE_DIR;
}

std::optional<std::filesystem::path> shared_folder() {
  char const* const named = std::getenv("ONEMASK_SHARED");
  std::filesystem::path const folder = named ? std::filesystem::path(named) : source_folder() / ".." / "shared";
  std::error_code unreadable;
  if (!std::filesystem::is_directory(folder, unreadable)) return std::nullopt;
  return std::filesystem::canonical(folder);
}

}  // namespace onemask::test
