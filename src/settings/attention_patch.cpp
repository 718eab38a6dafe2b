#include <onemask/core/yaml_value.hpp>
#include <onemask/settings/attention_patch.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {
namespace {

std::vector<AttentionPatch> all_patches() {
  std::vector<AttentionPatch> patches;
  for (auto const& model : patch_model_names) {
    for (auto const& other : patch_model_names) {
      for (auto const& place : patch_place_names) {
        if (model.value != other.value) patches.push_back({model.value, other.value, place.value});
      }
    }
  }
  return patches;
}

}  // namespace

std::string describe(AttentionPatch const& patch) {
  auto const at = patch.at == PatchPlace::all ? "" : " at " + name_of(patch_place_names, patch.at);
  return name_of(patch_model_names, patch.model) + "+attention(" + name_of(patch_model_names, patch.attention) + ")" + at;
}

std::optional<AttentionPatch> patch_of(std::string const& name) {
  for (auto const& patch : all_patches()) {
    if (describe(patch) == name) return patch;
  }
  return std::nullopt;
}

std::vector<std::string> patch_names() {
  std::vector<std::string> names;
  for (auto const& patch : all_patches()) names.push_back(describe(patch));
  return names;
}

std::string read_patches(std::vector<AttentionPatch>& patches, YamlValue const& value) {
  if (!value.is_list()) return value.no_value_of<std::vector<std::string>>();
  std::vector<AttentionPatch> read;
  for (auto const& entry : value.elements()) {
    auto const name = entry.as<std::string>().value_or(entry.text());
    auto const patch = patch_of(name);
    for (auto const& model : patch_model_names) {
      if (!patch && name.starts_with(fmt::format("{0}+attention({0})", model.name)))
        return fmt::format("names '{}', a model with attention of its own; name two different models", name);
    }
    if (!patch && name.find("unedited") != std::string::npos)
      return fmt::format("names '{}'; the unedited model is called original here", name);
    if (!patch) {
      return fmt::format(
          "names '{}'; a model with the attention of another is written MODEL+attention(OTHER), both of {}, and behind it "
          "' at last' or ' at subject' where only this part is the other's",
          name, all_names(patch_model_names));
    }
    if (std::find(read.begin(), read.end(), *patch) != read.end()) return "names '" + name + "' twice";
    read.push_back(*patch);
  }
  patches = std::move(read);
  return "";
}

}  // namespace onemask
