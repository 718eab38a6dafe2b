#include "tokenizer/detail/piece.hpp"
#include "tokenizer/detail/tokenizer_tables.hpp"
#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using detail::Piece;
using detail::TokenizerTables;

/// Appends the ids below `known` of the tokens of `added` in `piece` and, in between, what `encode(part)` appends for the rest.
template <typename Encode>
void encode_around(detail::AddedTokens const& added, Piece const& piece, std::int64_t known, std::vector<std::int64_t>& ids,
                   Encode const& encode) {
  for (auto const& [begin, end, id] : added.parts(piece.text)) {
    if (id && *id >= known) {
      throw UserError(
          fmt::format("A text has '{}', which is token {} of the tokenizer, but the model knows only {} tokens. Leave "
                      "it out of the text.",
                      piece.text.substr(begin, end - begin), *id, known));
    }
    if (id) {
      ids.push_back(*id);
    } else {
      encode(piece.part(begin, end));
    }
  }
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
  if (text.empty()) return ids;
  bool const recognise = special == SpecialTokens::recognised;
  auto const& tables = *tables_;
  auto const encode_rest = [&](Piece&& piece) {
    for (Piece const& word : run_steps(tables.word_steps, std::move(piece))) tables.pairs.encode(word.text, ids);
  };
  auto const encode_verbatim = [&](Piece&& piece) {
    for (Piece& normal : run_steps(tables.normalizer, std::move(piece))) {
      if (!recognise) {
        encode_rest(std::move(normal));
      } else {
        encode_around(tables.added[1], normal, known_, ids, encode_rest);
      }
    }
  };
  Piece whole = Piece::whole(text);
  if (recognise) {
    encode_around(tables.added[0], whole, known_, ids, encode_verbatim);
  } else {
    encode_verbatim(std::move(whole));
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
  return tables_->own;
}
Tokenizer Tokenizer::within(std::int64_t vocabulary) const {
  auto const last = std::max({bos().value_or(-1), tables_->around.before.value_or(-1), tables_->largest_made});
  if (last >= vocabulary) {
    throw UserError(
        fmt::format("The tokenizer has token ids up to {}, but the model knows only {} tokens. "
                    "Use the tokenizer that belongs to the model.",
                    last, vocabulary));
  }
  auto result = *this;
  result.known_ = vocabulary;
  return result;
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
  if (!tables_->around.refusal.empty()) throw UserError(tables_->around.refusal);
  return tables_->around.before.has_value();
}
std::string Tokenizer::fingerprint() const {
  return tables_->fingerprint;
}

}  // namespace onemask
