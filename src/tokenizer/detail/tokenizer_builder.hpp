#pragma once

#include "tokenizer/detail/tokenizer_tables.hpp"
#include <onemask/core/json_field.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onemask::detail {

/// How a vocabulary writes its tokens.
enum class Spelling {
  bytes,       ///< in GPT-2's alphabet of bytes
  characters,  ///< as SentencePiece: in characters, U+2581 for a space, "<0x0A>" for the bytes of all others
};

/// Puts tables together from the parts that both formats of a tokenizer have, and checks each; UserError for what does not fit.
class TokenizerBuilder {
 public:
  /// {"token": id, …}; the first call. With `ignore_merges`, a word that is a token is not merged.
  void add_vocabulary(JsonField const& vocabulary, Spelling spelling, bool ignore_merges);
  /// The next merge; `place` says where it stands.
  void add_merge(std::string const& left, std::string const& right, std::string const& place);
  void add_pattern(std::string const& expression, std::string const& place);
  void add_normalizer_step(NormalizerStep step);
  void set_space_prefix(SpacePrefix prefix);
  /// {"content": text, "normalized": bool, …}, after the merges.
  void add_token(JsonField const& token, std::int64_t id);
  void add_token(std::string const& text, std::int64_t id, bool normalized, std::string const& place);

  /// The id of a token as the files write it.
  std::optional<std::int64_t> find(std::string_view token) const;
  bool has(std::int64_t id) const;

  /// Everything but the tokens for beginning and end.
  TokenizerTables build() &&;

 private:
  struct RankedMerge {
    std::int32_t left, right;
  };

  /// The bytes that a token stands for.
  std::string bytes_of(std::string const& token) const;
  std::string fingerprint() const;

  Spelling spelling_ = Spelling::bytes;
  TextMap<std::int32_t> ids_;  // by what the files write
  std::vector<std::optional<std::string>> tokens_;
  std::vector<RankedMerge> merges_;
  std::vector<Pattern> patterns_;
  std::array<std::vector<AddedToken>, 2> added_;  // looked for first; looked for in the normalized rest
  std::vector<NormalizerStep> normalizer_;
  std::optional<SpacePrefix> space_prefix_;
  BytePairs pairs_;
};

}  // namespace onemask::detail
