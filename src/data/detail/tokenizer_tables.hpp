#pragma once

#include "data/detail/added_tokens.hpp"
#include "data/detail/byte_pairs.hpp"
#include "data/detail/pattern.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask::detail {

/// All that the files of a tokenizer say.
struct TokenizerTables {
  std::vector<std::optional<std::string>> tokens;  ///< bytes by id; ids may be unused
  std::vector<AddedTokens> added;                  ///< looked for in the text, then in what is left between the first ones
  std::vector<Pattern> patterns;                   ///< each cuts the words of the one before
  BytePairs pairs;
  std::optional<std::int64_t> bos, eos;
  bool adds_bos = false;
  std::string fingerprint;
};

TokenizerTables read_tokenizer(std::filesystem::path const& folder);

}  // namespace onemask::detail
