#pragma once

#include <filesystem>
#include <optional>

namespace onemask::test {

/// The folder of this source tree: $ONEMASK_SOURCE for a program that runs on another machine than the one it was built on.
std::filesystem::path source_folder();

/// The folder with further checkpoints, data and golden numbers: $ONEMASK_SHARED, or `shared` beside the source folder; nothing
/// where there is none. Tests on what ships do not need it.
std::optional<std::filesystem::path> shared_folder();

}  // namespace onemask::test
