#pragma once

#include <filesystem>

namespace onemask {

/// Throws UserError, with what to name instead, for a path that is no folder of a Hugging Face checkpoint: nothing is there, it
/// is the cache of the hub around such a folder, or a PEFT adapter without the model that it belongs to.
void require_model_folder(std::filesystem::path const& folder);

}  // namespace onemask
