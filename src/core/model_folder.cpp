#include <onemask/core/error.hpp>
#include <onemask/core/model_folder.hpp>

#include <string>
#include <system_error>

namespace onemask {

void require_model_folder(std::filesystem::path const& folder) {
  std::error_code unreadable;
  auto const has = [&](char const* name) { return std::filesystem::exists(folder / name, unreadable); };
  auto const name = folder.string();
  if (!std::filesystem::is_directory(folder, unreadable))
    throw UserError(name + ": there is no such folder; name the folder of a Hugging Face checkpoint.");
  if (has("config.json")) return;
  if (has("snapshots"))
    throw UserError(name + ": this is a folder of the Hugging Face cache; name the folder of the checkpoint in it, " + name +
                    "/snapshots/REVISION.");
  if (has("adapter_config.json"))
    throw UserError(
        name + ": this is a PEFT adapter without its model; name the folder of the model here, and the adapter in edit.files.");
}

}  // namespace onemask
