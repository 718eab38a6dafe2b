#include "sweep/tidy.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>

namespace onemask {
namespace {

bool is_abandoned(std::filesystem::directory_entry const& entry) {
  auto const name = entry.path().filename().string();
  if (!name.starts_with('.') || !name.ends_with(".tmp")) return false;
  std::error_code error;
  auto const written = entry.last_write_time(error);
  return !error && std::filesystem::file_time_type::clock::now() - written > std::chrono::hours(1);
}

}  // namespace

void tidy(std::filesystem::path const& folder, Plan const& plan, ObjectStore const& objects) {
  std::error_code error;  // what cannot be removed stays
  auto const checkpoints = folder / "checkpoints";
  auto const remove_spent = [&](std::string const& key) {
    auto const file = checkpoints / (key + ".safetensors");
    if (std::filesystem::exists(file, error) && objects.has(key)) std::filesystem::remove(file, error);
  };
  for (auto const& [layer, key] : plan.moments) remove_spent(key);
  for (auto const& mask : plan.masks) remove_spent(mask.key);
  for (auto const& place : {folder, checkpoints}) {
    for (auto const& entry : std::filesystem::directory_iterator(place, error)) {
      if (is_abandoned(entry)) std::filesystem::remove(entry.path(), error);
    }
  }
}

}  // namespace onemask
