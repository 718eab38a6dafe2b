#pragma once

#include <filesystem>
#include <vector>

namespace onemask {

/// The files that a pattern such as "wiki/*.txt" means, in the order of their names; a name without *, ? and [, or of a file that
/// is there, stands for itself. Throws UserError when no file is named like a pattern.
std::vector<std::filesystem::path> matching_files(std::filesystem::path const& pattern);

}  // namespace onemask
