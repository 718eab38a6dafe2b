#include "data/detail/tokenizer_tables.hpp"
#include "data/detail/utf8.hpp"
#include <onemask/core/error.hpp>
#include <onemask/data/tokenizer.hpp>

#include <array>
#include <cstdio>
#include <utility>

namespace onemask {
namespace {

using detail::AddedTokens;
using detail::TokenizerTables;

void encode_words(TokenizerTables const& tables, std::string_view text, std::vector<std::int64_t>& ids) {
  std::vector<std::string_view> words{text}, pieces;
  for (detail::Pattern const& pattern : tables.patterns) {
    pieces.clear();
    for (std::string_view const word : words) pattern.cut(word, pieces);
    std::swap(words, pieces);
  }
  for (std::string_view const word : words) tables.pairs.encode(word, ids);
}

/// `added`: the added tokens still to be looked for, one set after the other.
void encode_between(TokenizerTables const& tables, std::span<AddedTokens const> added, std::string_view text,
                    std::vector<std::int64_t>& ids) {
  if (text.empty()) return;
  if (added.empty()) return encode_words(tables, text, ids);
  while (auto const occurrence = added.front().find(text)) {
    encode_between(tables, added.subspan(1), text.substr(0, occurrence->begin), ids);
    ids.push_back(occurrence->id);
    text.remove_prefix(occurrence->end);
  }
  encode_between(tables, added.subspan(1), text, ids);
}

std::string const& text_of(TokenizerTables const& tables, std::int64_t id) {
  std::size_t const index = static_cast<std::size_t>(id);
  if (id < 0 || index >= tables.tokens.size() || !tables.tokens[index]) {
    throw UserError("The id " + std::to_string(id) + " is no token of this tokenizer, whose ids end at " +
                    std::to_string(tables.tokens.size() - 1) +
                    ". Check that the ids were made with the tokenizer of this model.");
  }
  return *tables.tokens[index];
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<TokenizerTables const> tables) : tables_(std::move(tables)) {}

Tokenizer Tokenizer::open(std::filesystem::path const& folder) {
  return Tokenizer(std::make_shared<TokenizerTables const>(detail::read_tokenizer(folder)));
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  if (auto const offset = detail::first_invalid_utf8(text)) {
    std::array<char, 8> byte{};
    std::snprintf(byte.data(), byte.size(), "0x%02X", static_cast<unsigned>(static_cast<unsigned char>(text[*offset])));
    throw UserError("A text to tokenize is not valid UTF-8: byte " + std::to_string(*offset) + " is " + byte.data() +
                    ". Convert the file it comes from to UTF-8.");
  }
  std::vector<std::int64_t> ids;
  std::span<AddedTokens const> const added = tables_->added;
  encode_between(*tables_, special == SpecialTokens::recognised ? added : added.first(0), text, ids);
  return ids;
}

std::string Tokenizer::decode(std::span<std::int64_t const> ids) const {
  std::string text;
  for (std::int64_t const id : ids) text += text_of(*tables_, id);
  return text;
}

std::string Tokenizer::token_text(std::int64_t id) const {
  return text_of(*tables_, id);
}
std::int64_t Tokenizer::vocabulary_size() const {
  return static_cast<std::int64_t>(tables_->tokens.size());
}
std::optional<std::int64_t> Tokenizer::bos() const {
  return tables_->bos;
}
std::optional<std::int64_t> Tokenizer::eos() const {
  return tables_->eos;
}
bool Tokenizer::adds_bos() const {
  return tables_->adds_bos;
}
std::string Tokenizer::fingerprint() const {
  return tables_->fingerprint;
}

}  // namespace onemask
