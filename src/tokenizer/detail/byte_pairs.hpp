#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
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

/// The merge table: how the characters or bytes of a word become tokens.
class BytePairs {
 public:
  TextMap<std::int32_t> characters;          ///< token of each whole character; those without one begin as their bytes
  std::array<std::int32_t, 256> byte_ids{};  ///< token of each single byte
  TextMap<std::int32_t> whole_words;         ///< words that are one token whatever the merges say (ignore_merges of Llama-3)

  /// False, and nothing changes, when the pair has a merge already.
  bool add_merge(std::int32_t left, std::int32_t right, Merge merge);

  /// Appends the ids of one word (valid UTF-8): of all neighbours the pair with the lowest rank is merged, the leftmost first,
  /// until none is left (Sennrich et al. 2016, algorithm 1). Time n log n in the word's bytes.
  void encode(std::string_view word, std::vector<std::int64_t>& ids) const;

 private:
  Merge const* find(std::int32_t left, std::int32_t right) const;
  std::vector<std::int32_t> unmerged(std::string_view word) const;

  std::unordered_map<std::uint64_t, Merge> merges_;  // by both ids
};

}  // namespace onemask::detail
