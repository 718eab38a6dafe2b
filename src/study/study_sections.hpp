#pragma once

#include <onemask/study/study.hpp>

#include <filesystem>
#include <optional>
#include <string>

#include <yaml-cpp/yaml.h>

namespace onemask {

/// What a published figure can be of.
std::vector<std::string> const& published_metrics();

/// The study as its document says it, with one point: what stands under "sweep" is not looked at. `file` is its name in messages;
/// paths in it begin at `base`; `edit` stands for a hparams file where it names none. Throws UserError naming file and key.
Study read_sections(YAML::Node const& document, std::string const& file, std::filesystem::path const& base,
                    std::optional<EditHparams> const& edit);

}  // namespace onemask
