#pragma once

#include <onemask/settings/field.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <vector>

namespace onemask {

/// What second moments are taken over: texts, or token ids, or nothing where `files` has every layer. All but the files' names
/// decides bits.
struct MomentsOptions {
  std::vector<std::filesystem::path> text;     ///< files or patterns, see Corpus::of_texts
  std::filesystem::path ids;                   ///< *.safetensors with one integer tensor [segments, length], or JSON lines
  std::int64_t tokens = 0;                     ///< only the first so many, 0: all
  int segment = 0;                             ///< longest segment [tokens], 0: the model's positions, at most 1024
  std::map<int, std::filesystem::path> files;  ///< finished ones by layer, see import_second_moment
};

template <>
Fields<MomentsOptions> const& fields_of<MomentsOptions>();

}  // namespace onemask
