#pragma once

#include "tokenizer/detail/read_steps.hpp"
#include "tokenizer/detail/tokenizer_tables.hpp"
#include <onemask/core/json_field.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onemask::detail {

/// An added token as the files describe it.
struct AddedTokenEntry {
  AddedToken token;
  bool normalized;  ///< looked for in the normalized text
  bool special;
};

/// {"content": text, "lstrip": bool, …}
AddedTokenEntry read_added_token(JsonField const& token, std::int64_t id);

/// Puts tables together from the parts that all formats of a tokenizer have, and checks each; UserError for what does not fit.
class TokenizerBuilder {
 public:
  /// {"token": id, …}; the first call.
  void add_vocabulary(JsonField const& vocabulary, BytePairs::Rules rules, std::string const& place);
  /// The next merge; `place` says where it stands.
  void add_merge(std::string const& left, std::string const& right, std::string const& place);
  void set_normalizer(std::vector<Step> steps) { normalizer_ = std::move(steps); }
  void set_word_steps(WordSteps words) { words_ = std::move(words); }
  /// After the merges. What is said of a token again overrides what was said before, but for where it is looked for.
  void add_token(AddedTokenEntry const& entry, std::string const& place);

  /// Texts are read as if special tokens were usual text ("split_special_tokens").
  void read_special_tokens_as_text() { special_as_text_ = true; }

  /// The id of a token as the files write it.
  std::optional<std::int64_t> find(std::string_view token) const;
  bool has(std::int64_t id) const;
  bool is_added(std::string_view token) const;
  /// Tokens that are added from now on are found in texts, but are none of the tokenizer's own: nothing else changes by them.
  void end_vocabulary() { end_ = next_id(); }
  /// Behind those of all tokens so far.
  std::int64_t next_id() const { return static_cast<std::int64_t>(written_.size()); }

  /// Everything but what stands around a text.
  TokenizerTables build() &&;

 private:
  struct RankedMerge {
    std::int32_t left, right, made;
  };

  /// The bytes that a token of the vocabulary stands for.
  std::string bytes_of(std::string const& token) const;
  std::vector<std::optional<std::string>> bytes_by_id() const;
  bool begins_with_space() const;
  std::string fingerprint(TokenizerTables const& tables) const;
  std::vector<AddedToken> added_tokens(bool normalized) const;
  std::int64_t largest_made() const;

  std::vector<std::optional<std::string>> written_;  // by id, as the files write them
  TextMap<std::int32_t> added_ids_;
  std::vector<AddedTokenEntry> added_;
  std::vector<RankedMerge> merges_;
  std::vector<Step> normalizer_;
  WordSteps words_;
  BytePairs pairs_;
  bool special_as_text_ = false;
  std::optional<std::int64_t> end_;  // of the tokenizer's own ids
};

}  // namespace onemask::detail
