#include "tokenizer/detail/normalizer.hpp"
#include "tokenizer/detail/tokenizer_tables.hpp"
#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <array>
#include <cstdio>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using detail::AddedTokens;
using detail::SpacePrefix;
using detail::TokenizerTables;

/// `text` with U+2581 for spaces, and one before it where `prefix` says so.
std::string with_written_spaces(std::string_view text, SpacePrefix prefix, bool at_start) {
  auto result = detail::replaced(text, " ", detail::written_space);
  bool const wanted = prefix == SpacePrefix::always || (prefix == SpacePrefix::first && at_start);
  if (wanted && !result.starts_with(detail::written_space)) result.insert(0, detail::written_space);
  return result;
}

void encode_words(TokenizerTables const& tables, std::string_view text, std::vector<std::int64_t>& ids) {
  std::vector<std::string_view> words{text}, pieces;
  for (detail::Pattern const& pattern : tables.patterns) {
    pieces.clear();
    for (std::string_view const word : words) pattern.cut(word, pieces);
    std::swap(words, pieces);
  }
  for (std::string_view const word : words) tables.pairs.encode(word, ids);
}

/// Appends the ids of the tokens of `added` in `text` and, in between, what `encode(part, at_start)` appends for the rest.
template <typename Encode>
void encode_around(AddedTokens const& added, std::string_view text, bool at_start, std::vector<std::int64_t>& ids,
                   Encode const& encode) {
  while (auto const occurrence = added.find(text)) {
    if (occurrence->begin > 0) encode(text.substr(0, occurrence->begin), at_start);
    ids.push_back(occurrence->id);
    text.remove_prefix(occurrence->end);
    at_start = false;
  }
  if (!text.empty()) encode(text, at_start);
}

std::string const& text_of(TokenizerTables const& tables, std::int64_t id) {
  std::size_t const index = static_cast<std::size_t>(id);
  if (id < 0 || index >= tables.tokens.size() || !tables.tokens[index]) {
    throw UserError(
        fmt::format("The id {} is not a token of this tokenizer; its ids end at {}. "
                    "Check that the ids were made with the tokenizer of this model.",
                    id, tables.tokens.size() - 1));
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
    throw UserError(fmt::format("A text to tokenize is not valid UTF-8: byte {} is {}. Convert the file it comes from to UTF-8.",
                                *offset, byte.data()));
  }
  std::vector<std::int64_t> ids;
  bool const recognise = special == SpecialTokens::recognised;
  auto const& tables = *tables_;
  auto const encode_rest = [&](std::string_view part, bool at_start) {
    if (!tables.space_prefix) return encode_words(tables, part, ids);
    encode_words(tables, with_written_spaces(part, *tables.space_prefix, at_start), ids);
  };
  auto const encode_normalized = [&](std::string_view part, bool at_start) {
    auto const normal = detail::normalize(tables.normalizer, part);
    if (!recognise) return encode_rest(normal, at_start);
    encode_around(tables.added[1], normal, at_start, ids, encode_rest);
  };
  if (recognise) {
    encode_around(tables.added[0], text, true, ids, encode_normalized);
  } else if (!text.empty()) {
    encode_normalized(text, true);
  }
  return ids;
}

std::string Tokenizer::decode(std::span<std::int64_t const> ids) const {
  std::string text;
  for (std::int64_t const id : ids) text += text_of(*tables_, id);
  if (tables_->begins_with_space && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

std::string Tokenizer::token_text(std::int64_t id) const {
  return text_of(*tables_, id);
}
std::int64_t Tokenizer::vocabulary_size() const {
  return static_cast<std::int64_t>(tables_->tokens.size());
}
void Tokenizer::require_within(std::int64_t vocabulary) const {
  if (vocabulary_size() <= vocabulary) return;
  throw UserError(
      fmt::format("The tokenizer has token ids up to {}, but the model knows only {} tokens. "
                  "Use the tokenizer that belongs to the model.",
                  vocabulary_size() - 1, vocabulary));
}
std::optional<std::int64_t> Tokenizer::bos() const {
  return tables_->bos;
}
std::optional<std::int64_t> Tokenizer::eos() const {
  return tables_->eos;
}
bool Tokenizer::begins_with_space() const {
  return tables_->begins_with_space;
}
bool Tokenizer::adds_bos() const {
  return tables_->adds_bos;
}
std::string Tokenizer::fingerprint() const {
  return tables_->fingerprint;
}

}  // namespace onemask
