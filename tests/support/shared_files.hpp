#pragma once

#include <filesystem>
#include <optional>

namespace onemask::test {

/// The folder with reference checkpoints, data and golden numbers: $ONEMASK_SHARED, or `shared` beside the source folder; nothing
/// where there is none. A test that needs it skips then.
std::optional<std::filesystem::path> shared_folder();

}  // namespace onemask::test
