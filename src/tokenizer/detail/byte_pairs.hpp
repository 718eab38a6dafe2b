#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace onemask::detail {

/// Lets a map of strings be searched by a view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

template <typename Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

/// Two ids as one number.
inline std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

/// Two neighbouring tokens become one.
struct Merge {
  std::int32_t rank, id;
};

/// A vocabulary and its merge table: how the characters of a word become tokens.
class BytePairs {
 public:
  /// What characters that are no token become. Without either they are left out, as in the library `tokenizers`.
  struct Rules {
    bool byte_fallback = false;          ///< the tokens "<0x0A>" of their bytes, where all are in the vocabulary
    std::optional<std::string> unknown;  ///< this token, where there are no such bytes
    bool fuse_unknown = false;           ///< several unknown characters in a row are one token
    bool whole_words = false;            ///< a word that is a token is not merged (ignore_merges of Llama 3)
  };

  BytePairs() = default;
  /// `place` begins the message of a text that cannot be encoded.
  BytePairs(TextMap<std::int32_t> vocabulary, Rules rules, std::string place);

  TextMap<std::int32_t> const& vocabulary() const { return vocabulary_; }
  Rules const& rules() const { return rules_; }

  /// Of two merges of one pair the last counts.
  void add_merge(std::int32_t left, std::int32_t right, Merge merge) { merges_[pair_key(left, right)] = merge; }

  /// Appends the ids of one word (valid UTF-8): of all neighbours the pair with the lowest rank is merged, the leftmost first,
  /// until none is left (Sennrich et al. 2016, algorithm 1). Time n log n in the word's bytes. Throws UserError for an unknown
  /// character where the token for it is not in the vocabulary.
  void encode(std::string_view word, std::vector<std::int64_t>& ids) const;

 private:
  Merge const* find(std::int32_t left, std::int32_t right) const;
  std::optional<std::int32_t> id_of(std::string_view token) const;
  std::vector<std::int32_t> unmerged(std::string_view word) const;
  bool append_bytes(std::string_view character, std::vector<std::int32_t>& ids) const;
  std::int32_t unknown_id(std::string_view character) const;

  TextMap<std::int32_t> vocabulary_;
  Rules rules_;
  std::string place_;
  std::array<std::int32_t, 256> byte_ids_{};         // of byte_fallback
  std::unordered_map<std::uint64_t, Merge> merges_;  // by both ids
};

}  // namespace onemask::detail
