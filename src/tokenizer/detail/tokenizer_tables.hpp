#pragma once

#include "tokenizer/detail/added_tokens.hpp"
#include "tokenizer/detail/byte_pairs.hpp"
#include "tokenizer/detail/normalizer.hpp"
#include "tokenizer/detail/pattern.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask::detail {

/// Four times the largest one published; a guard against absurd ids.
inline constexpr std::int64_t largest_vocabulary = 1 << 20;

/// Where the step "Metaspace", which writes U+2581 for every space, puts one more in front if there is none.
enum class SpacePrefix { never, first, always };  ///< first: only where the text begins, not behind added tokens

/// All that the files of a tokenizer say.
struct TokenizerTables {
  std::vector<std::optional<std::string>> tokens;  ///< bytes by id; ids may be unused
  std::vector<AddedTokens> added;                  ///< two sets: looked for in the text; in the normalized rest
  std::vector<NormalizerStep> normalizer;          ///< of what is between the first set's tokens
  std::optional<SpacePrefix> space_prefix;         ///< of the step "Metaspace" where there is one
  bool begins_with_space = false;                  ///< "a" is tokenized as " a"
  std::vector<Pattern> patterns;                   ///< each cuts the words of the one before
  BytePairs pairs;
  std::optional<std::int64_t> bos, eos;
  bool adds_bos = false;
  std::string fingerprint;
};

TokenizerTables read_tokenizer(std::filesystem::path const& folder);

}  // namespace onemask::detail
