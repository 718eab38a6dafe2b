#include "tokenizer/detail/tokenizer_builder.hpp"

#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>

#include <algorithm>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask::detail {
namespace {

constexpr std::int32_t no_token = -1;

}  // namespace

void TokenizerBuilder::add_vocabulary(JsonField const& vocabulary, Spelling spelling, bool ignore_merges) {
  spelling_ = spelling;
  pairs_.byte_ids.fill(no_token);
  for (auto const& [token, value] : vocabulary.object().items()) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= largest_vocabulary) {
      vocabulary.fail(fmt::format("gives the token '{}' the id {}; it must be an integer from 0 to {}.", token, value.dump(),
                                  largest_vocabulary - 1));
    }
    std::size_t const index = value.get<std::size_t>();
    std::int32_t const id = value.get<std::int32_t>();
    if (index >= tokens_.size()) tokens_.resize(index + 1);
    if (tokens_[index]) vocabulary.fail(fmt::format("gives the id {} to two tokens, '{}' is one of them.", id, token));
    ids_.emplace(token, id);
    tokens_[index] = bytes_of(token);
    if (spelling_ == Spelling::characters) {
      if (auto const byte = byte_of_token(token)) pairs_.byte_ids[*byte] = id;
      if (!token.empty() && character_length(token) == token.size()) pairs_.characters.emplace(token, id);
      if (ignore_merges) pairs_.whole_words.emplace(token, id);
    } else if (auto const bytes = bytes_of_token(token)) {
      if (bytes->size() == 1) pairs_.byte_ids[static_cast<unsigned char>(bytes->front())] = id;
      if (ignore_merges) pairs_.whole_words.emplace(*bytes, id);
    }
  }
  auto const missing = std::find(pairs_.byte_ids.begin(), pairs_.byte_ids.end(), no_token);
  if (missing != pairs_.byte_ids.end()) {
    vocabulary.fail(
        fmt::format("has no token for the byte {}, so it cannot represent every text; "
                    "only vocabularies with all 256 are supported.",
                    missing - pairs_.byte_ids.begin()));
  }
}

void TokenizerBuilder::add_merge(std::string const& left, std::string const& right, std::string const& place) {
  auto const id_of = [&](std::string const& token) {
    auto const found = ids_.find(token);
    if (found == ids_.end()) throw UserError(place + " needs the token '" + token + "', which is not in the vocabulary.");
    return found->second;
  };
  RankedMerge const merge{id_of(left), id_of(right)};
  if (!pairs_.add_merge(merge.left, merge.right, {static_cast<std::int32_t>(merges_.size()), id_of(left + right)})) {
    throw UserError(place + " merges '" + left + "' and '" + right + "' a second time.");
  }
  merges_.push_back(merge);
}

void TokenizerBuilder::add_pattern(std::string const& expression, std::string const& place) {
  patterns_.emplace_back(expression, place);
}

void TokenizerBuilder::add_normalizer_step(NormalizerStep step) {
  normalizer_.push_back(step);
}

void TokenizerBuilder::set_space_prefix(SpacePrefix prefix) {
  space_prefix_ = prefix;
}

std::string TokenizerBuilder::bytes_of(std::string const& token) const {
  if (spelling_ == Spelling::bytes) return bytes_of_token(token).value_or(token);
  if (auto const byte = byte_of_token(token)) return {static_cast<char>(*byte)};
  return replaced(token, written_space, " ");
}

void TokenizerBuilder::add_token(JsonField const& token, std::int64_t id) {
  auto const flag = [&](char const* name, bool otherwise) {
    std::optional<JsonField> const field = token.find(name);
    return field ? field->boolean() : otherwise;
  };
  for (char const* const name : {"single_word", "lstrip", "rstrip"}) {
    if (flag(name, false)) token.at(name).fail("is true, which is not supported.");
  }
  add_token(token.at("content").text(), id, flag("normalized", !flag("special", false)), token.place());
}

void TokenizerBuilder::add_token(std::string const& text, std::int64_t id, bool normalized, std::string const& place) {
  std::string const what = place + ": the added token '" + text + "' ";
  if (text.empty()) throw UserError(what + "is empty.");
  if (id < 0 || id >= largest_vocabulary) throw UserError(fmt::format("{}has the id {}, which is too large.", what, id));
  std::size_t const index = static_cast<std::size_t>(id);
  auto const bytes = spelling_ == Spelling::bytes ? text : bytes_of(text);
  if (find(text).value_or(id) != id || (has(id) && tokens_[index] != bytes)) {
    throw UserError(fmt::format("{}has the id {}, which contradicts an earlier token.", what, id));
  }
  if (index >= tokens_.size()) tokens_.resize(index + 1);
  tokens_[index] = bytes;
  ids_.emplace(text, static_cast<std::int32_t>(id));
  added_[normalized ? 1 : 0].push_back({text, static_cast<std::int32_t>(id)});
}

std::optional<std::int64_t> TokenizerBuilder::find(std::string_view token) const {
  auto const found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
}

bool TokenizerBuilder::has(std::int64_t id) const {
  return id >= 0 && static_cast<std::size_t>(id) < tokens_.size() && tokens_[static_cast<std::size_t>(id)].has_value();
}

TokenizerTables TokenizerBuilder::build() && {
  for (auto& added : added_) std::sort(added.begin(), added.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
  TokenizerTables tables;
  tables.fingerprint = fingerprint();
  // What is looked for in the normalized rest has to be normalized, too.
  for (AddedToken& token : added_[1]) token.text = normalize(normalizer_, token.text);
  for (auto& added : added_) tables.added.emplace_back(std::move(added));
  bool const prepends = std::find(normalizer_.begin(), normalizer_.end(), NormalizerStep::prepend_space) != normalizer_.end();
  tables.begins_with_space =
      spelling_ == Spelling::characters && (prepends || space_prefix_.value_or(SpacePrefix::never) != SpacePrefix::never);
  tables.normalizer = std::move(normalizer_);
  tables.space_prefix = space_prefix_;
  tables.tokens = std::move(tokens_);
  tables.patterns = std::move(patterns_);
  tables.pairs = std::move(pairs_);
  return tables;
}

std::string TokenizerBuilder::fingerprint() const {
  Hasher hasher;
  hasher.integer(static_cast<long long>(tokens_.size()));
  for (auto const& token : tokens_) hasher.integer(token.has_value()).text(token.value_or(""));
  hasher.integer(static_cast<long long>(merges_.size()));
  for (RankedMerge const& merge : merges_) hasher.integer(merge.left).integer(merge.right);
  hasher.integer(static_cast<long long>(patterns_.size()));
  for (Pattern const& pattern : patterns_) hasher.text(pattern.expression());
  for (auto const& added : added_) {
    hasher.integer(static_cast<long long>(added.size()));
    for (AddedToken const& token : added) hasher.integer(token.id);
  }
  hasher.integer(pairs_.whole_words.empty());
  // Hashed only where they are set, so that tokenizers without them keep their fingerprints.
  if (spelling_ == Spelling::characters) hasher.text("characters");
  for (NormalizerStep const step : normalizer_) hasher.text("normalizer").integer(static_cast<long long>(step));
  if (space_prefix_) hasher.text("metaspace").integer(static_cast<long long>(*space_prefix_));
  return hasher.hex();
}

}  // namespace onemask::detail
