#pragma once

#include <onemask/settings/field.hpp>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace onemask {

/// The text whose perplexity is taken, and how it is cut (see cut_text). All but the files' names decides bits.
struct PerplexityOptions {
  std::vector<std::filesystem::path> text;  ///< files or patterns, see Corpus::of_texts
  std::filesystem::path ids;                ///< token ids in their place, JSON lines; neither: no perplexity
  std::int64_t tokens = 0;                  ///< only the first so many, 0: all
  std::int64_t segment = 0;                 ///< longest window [tokens], 0: the model's positions, at most 1024
  std::int64_t stride = 0;                  ///< from one window's beginning to the next one's [tokens], 0: no overlap
  int facts = 0;  ///< of each split, whose own edited models are scored too; drawn at random, never by an outcome

  bool asked() const { return !text.empty() || !ids.empty(); }
};

template <>
Fields<PerplexityOptions> const& fields_of<PerplexityOptions>();

}  // namespace onemask
