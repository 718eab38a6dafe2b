#pragma once

#include "tokenizer/detail/added_tokens.hpp"
#include "tokenizer/detail/byte_pairs.hpp"
#include "tokenizer/detail/piece.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask::detail {

/// Four times the largest one published; a guard against absurd ids.
inline constexpr std::int64_t largest_vocabulary = 1 << 20;

/// What is put around a text before a model reads it.
struct TextTemplate {
  std::optional<std::int64_t> before;  ///< one token
  std::string refusal = {};            ///< why the rest is not supported; empty where nothing more is put
};

/// All that the files of a tokenizer say.
struct TokenizerTables {
  std::vector<std::optional<std::string>> tokens;  ///< bytes by id; ids may be unused
  std::int64_t own = 0;                            ///< so many of them are the tokenizer's; those behind are special tokens
  std::vector<AddedTokens> added;                  ///< two sets: looked for in the text; in the normalized rest
  std::vector<Step> normalizer;                    ///< of what is between the first set's tokens
  std::vector<Step> word_steps;                    ///< of what is between the second set's
  bool begins_with_space = false;                  ///< "a" is tokenized as " a"
  std::int64_t largest_made = -1;                  ///< id of a text without added tokens
  BytePairs pairs;
  std::optional<std::int64_t> bos, eos;
  TextTemplate around;
  std::string fingerprint;
};

TokenizerTables read_tokenizer(std::filesystem::path const& folder);

}  // namespace onemask::detail
