#include "tokenizer/detail/tokenizer_builder.hpp"

#include "tokenizer/detail/utf8.hpp"
#include "tokenizer/detail/word_steps.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>

#include <algorithm>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask::detail {

AddedTokenEntry read_added_token(JsonField const& token, std::int64_t id) {
  auto const flag = [&](char const* name, bool otherwise) {
    std::optional<JsonField> const field = token.find(name);
    return field ? field->boolean() : otherwise;
  };
  std::string const& text = token.at("content").text();
  if (id < 0 || id >= largest_vocabulary)
    token.fail(fmt::format("gives the added token '{}' the id {}, which is too large.", text, id));
  bool const special = flag("special", false);
  AddedToken const added{text, static_cast<std::int32_t>(id), flag("lstrip", false), flag("rstrip", false),
                         flag("single_word", false)};
  return {added, flag("normalized", !special), special};
}

void TokenizerBuilder::add_vocabulary(JsonField const& vocabulary, BytePairs::Rules rules, std::string const& place) {
  TextMap<std::int32_t> ids;
  for (auto const& [token, value] : vocabulary.object().items()) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= largest_vocabulary) {
      vocabulary.fail(fmt::format("gives the token '{}' the id {}; it must be an integer from 0 to {}.", token, value.dump(),
                                  largest_vocabulary - 1));
    }
    std::size_t const index = value.get<std::size_t>();
    if (index >= written_.size()) written_.resize(index + 1);
    if (written_[index]) vocabulary.fail(fmt::format("gives the id {} to two tokens, '{}' is one of them.", index, token));
    ids.emplace(token, value.get<std::int32_t>());
    written_[index] = token;
  }
  pairs_ = BytePairs(std::move(ids), std::move(rules), place);
}

void TokenizerBuilder::add_merge(std::string const& left, std::string const& right, std::string const& place) {
  auto const id_of = [&](std::string const& token) {
    auto const found = pairs_.vocabulary().find(token);
    if (found == pairs_.vocabulary().end())
      throw UserError(place + " needs the token '" + token + "', which is not in the vocabulary.");
    return found->second;
  };
  RankedMerge const merge{id_of(left), id_of(right), id_of(left + right)};
  pairs_.add_merge(merge.left, merge.right, {static_cast<std::int32_t>(merges_.size()), merge.made});
  merges_.push_back(merge);
}

void TokenizerBuilder::add_token(AddedTokenEntry const& entry, std::string const& place) {
  auto const& [token, normalized, special] = entry;
  std::string const what = place + ": the added token '" + token.text + "' ";
  if (token.text.empty()) throw UserError(what + "is empty.");
  std::size_t const index = static_cast<std::size_t>(token.id);
  if (find(token.text).value_or(token.id) != token.id || (has(token.id) && written_[index] != token.text))
    throw UserError(fmt::format("{}has the id {}, which contradicts an earlier token.", what, token.id));
  if (index >= written_.size()) written_.resize(index + 1);
  written_[index] = token.text;
  bool known = false;
  if (is_added(token.text)) {
    for (AddedTokenEntry& former : added_) {
      if (former.token.id != token.id) continue;
      former.token = token;
      known |= former.special || former.normalized == normalized;
    }
  }
  if (!known) added_.push_back(entry);
  added_ids_.emplace(token.text, token.id);
}

std::optional<std::int64_t> TokenizerBuilder::find(std::string_view token) const {
  for (auto const* ids : {&added_ids_, &pairs_.vocabulary()}) {
    if (auto const found = ids->find(token); found != ids->end()) return found->second;
  }
  return std::nullopt;
}

bool TokenizerBuilder::has(std::int64_t id) const {
  return id >= 0 && static_cast<std::size_t>(id) < written_.size() && written_[static_cast<std::size_t>(id)].has_value();
}

bool TokenizerBuilder::is_added(std::string_view token) const {
  return added_ids_.contains(token);
}

std::string TokenizerBuilder::bytes_of(std::string const& token) const {
  if (words_.in_bytes) return bytes_of_token(token).value_or(token);
  if (auto const byte = byte_of_token(token); byte && pairs_.rules().byte_fallback) return {static_cast<char>(*byte)};
  return replaced(token, written_space, " ");
}

std::vector<std::optional<std::string>> TokenizerBuilder::bytes_by_id() const {
  auto bytes = written_;
  for (auto& token : bytes) {
    if (token && !(words_.in_bytes && is_added(*token))) token = bytes_of(*token);
  }
  return bytes;
}

bool TokenizerBuilder::begins_with_space() const {
  std::vector<Step> steps = normalizer_;
  steps.insert(steps.end(), words_.steps.begin(), words_.steps.end());
  auto const words = run_steps(steps, Piece::whole("a"));
  return !words.empty() && bytes_of(words.front().text).starts_with(' ');
}

std::vector<AddedToken> TokenizerBuilder::added_tokens(bool normalized) const {
  std::vector<AddedToken> tokens;
  for (bool const special : {true, false}) {
    if (special && special_as_text_) continue;
    for (AddedTokenEntry const& entry : added_) {
      if (entry.normalized == normalized && entry.special == special) tokens.push_back(entry.token);
    }
  }
  return tokens;
}

/// The largest id of a text without added tokens: of what merges, single characters and bytes become.
std::int64_t TokenizerBuilder::largest_made() const {
  std::int64_t largest = -1;
  for (RankedMerge const& merge : merges_) largest = std::max<std::int64_t>(largest, merge.made);
  BytePairs::Rules const& rules = pairs_.rules();
  for (auto const& [token, id] : pairs_.vocabulary()) {
    bool const alone = !token.empty() && character_length(token) == token.size();
    bool const made = alone || rules.whole_words || token == rules.unknown || (rules.byte_fallback && byte_of_token(token));
    if (made && !is_added(token)) largest = std::max<std::int64_t>(largest, id);
  }
  return largest;
}

TokenizerTables TokenizerBuilder::build() && {
  TokenizerTables tables;
  tables.tokens = bytes_by_id();
  tables.own = end_.value_or(next_id());
  tables.begins_with_space = begins_with_space();
  tables.largest_made = largest_made();
  tables.fingerprint = fingerprint(tables);
  auto verbatim = added_tokens(false), normalized = added_tokens(true);
  // What is looked for in the normalized rest has to be normalized, too.
  for (AddedToken& token : normalized) {
    auto const pieces = run_steps(normalizer_, Piece::whole(token.text));
    token.text = pieces.empty() ? "" : pieces.front().text;
  }
  std::erase_if(normalized, [](AddedToken const& token) { return token.text.empty(); });
  tables.added.emplace_back(std::move(verbatim));
  tables.added.emplace_back(std::move(normalized));
  tables.normalizer = std::move(normalizer_);
  tables.word_steps = std::move(words_.steps);
  tables.pairs = std::move(pairs_);
  return tables;
}

std::string TokenizerBuilder::fingerprint(TokenizerTables const& tables) const {
  Hasher hasher;
  hasher.integer(tables.own);
  for (std::int64_t id = 0; id < tables.own; ++id) {
    auto const& token = tables.tokens[static_cast<std::size_t>(id)];
    hasher.integer(token.has_value()).text(token.value_or(""));
  }
  hasher.integer(static_cast<long long>(merges_.size()));
  for (RankedMerge const& merge : merges_) hasher.integer(merge.left).integer(merge.right);
  // Bytes are the usual last step, which has no part in fingerprints.
  bool const ends_in_bytes = words_.in_bytes && words_.steps.back().name == bytes_as_characters().name;
  std::size_t const steps = words_.steps.size() - (ends_in_bytes ? 1 : 0);
  hasher.integer(static_cast<long long>(steps));
  for (std::size_t i = 0; i < steps; ++i) hasher.text(words_.steps[i].name);
  for (bool const normalized : {false, true}) {
    auto added = added_tokens(normalized);
    std::erase_if(added, [&](AddedToken const& token) { return end_ && token.id >= *end_; });
    std::sort(added.begin(), added.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
    hasher.integer(static_cast<long long>(added.size()));
    for (AddedToken const& token : added) {
      hasher.integer(token.id);
      if (token.takes_space_before) hasher.text("lstrip");
      if (token.takes_space_behind) hasher.text("rstrip");
      if (token.single_word) hasher.text("single_word");
    }
  }
  hasher.integer(!pairs_.rules().whole_words);
  // Hashed only where they are set, so that tokenizers without them keep their fingerprints.
  if (!words_.in_bytes) hasher.text("characters");
  if (pairs_.rules().byte_fallback) hasher.text("byte_fallback");
  if (pairs_.rules().unknown) hasher.text("unk_token").text(*pairs_.rules().unknown).integer(pairs_.rules().fuse_unknown);
  for (Step const& step : normalizer_) hasher.text("normalizer").text(step.name);
  return hasher.hex();
}

}  // namespace onemask::detail
