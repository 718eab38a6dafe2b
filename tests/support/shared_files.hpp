#pragma once

#include <filesystem>
#include <optional>

namespace onemask::test {

/// The folder of this source tree.
std::filesystem::path source_folder();

/// The folder with further checkpoints, data and golden numbers: $ONEMASK_SHARED, or `shared` beside the source folder; nothing
/// where there is none. Tests on what ships do not need it.
std::optional<std::filesystem::path> shared_folder();

}  // namespace onemask::test
