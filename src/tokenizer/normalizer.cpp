#include "tokenizer/detail/normalizer.hpp"

#include "tokenizer/detail/characters.hpp"
#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/core.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

namespace onemask::detail {
namespace {

icu::Normalizer2 const& normalizer_of(std::string const& form) {
  UErrorCode error = U_ZERO_ERROR;
  icu::Normalizer2 const* const found = form == "NFC"    ? icu::Normalizer2::getNFCInstance(error)
                                        : form == "NFD"  ? icu::Normalizer2::getNFDInstance(error)
                                        : form == "NFKC" ? icu::Normalizer2::getNFKCInstance(error)
                                                         : icu::Normalizer2::getNFKDInstance(error);
  if (U_FAILURE(error)) throw RunError(fmt::format("ICU has no normalization form {}: {}.", form, u_errorName(error)));
  return *found;
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char byte) { return static_cast<unsigned char>(byte) >= 0x80; });
}

/// Appends `text` in a normalization form.
void append_normalized(icu::Normalizer2 const& normalizer, std::string_view text, std::string& result) {
  UErrorCode error = U_ZERO_ERROR;
  icu::StringByteSink<std::string> sink(&result);
  normalizer.normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())), sink, nullptr, error);
  if (U_FAILURE(error))
    throw RunError(fmt::format("A text of {} bytes cannot be normalized: {}.", text.size(), u_errorName(error)));
}

/// Characters that are newer than the tables of `tokenizers` stay, and nothing before them combines with anything behind them.
std::string normalized(icu::Normalizer2 const& normalizer, std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  std::string result;
  std::size_t begin = 0, at = 0;
  for (std::size_t length = 0; at < text.size(); at += length) {
    length = character_length(text.substr(at));
    if (has_normalization(first_character(text.substr(at)))) continue;
    append_normalized(normalizer, text.substr(begin, at - begin), result);
    result += text.substr(at, length);
    begin = at + length;
  }
  append_normalized(normalizer, text.substr(begin), result);
  return result;
}

void append_character(std::string& text, char32_t character) {
  char bytes[U8_MAX_LENGTH];
  std::int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, static_cast<UChar32>(character));
  text.append(bytes, static_cast<std::size_t>(size));
}

/// Rewrites a text character by character: `write(character, result)`.
template <typename Write>
std::string each_character(std::string_view text, Write const& write) {
  std::string result;
  while (!text.empty()) {
    write(first_character(text), result);
    text.remove_prefix(character_length(text));
  }
  return result;
}

Step rewriting(std::string name, std::function<std::string(std::string_view)> function) {
  return {std::move(name), [function = std::move(function)](Piece&& piece, std::vector<Piece>& made) {
            piece.rewrite(function);
            made.push_back(std::move(piece));
          }};
}

}  // namespace

Step normalization_form(std::string const& form) {
  return rewriting(form, [&normalizer = normalizer_of(form)](std::string_view text) { return normalized(normalizer, text); });
}

Step lowercase() {
  return rewriting("Lowercase", [](std::string_view text) {
    return each_character(text, [](char32_t character, std::string& result) {
      if (character == U'\u0130') {  // the only one with two small letters
        result += "i\u0307";
      } else {
        append_character(result, static_cast<char32_t>(u_tolower(static_cast<UChar32>(character))));
      }
    });
  });
}

Step strip_accents() {
  return rewriting("StripAccents", [](std::string_view text) {
    return each_character(text, [](char32_t character, std::string& result) {
      if (!is_mark(character)) append_character(result, character);
    });
  });
}

Step strip_white_space(bool left, bool right) {
  return {fmt::format("Strip {} {}", left, right), [=](Piece&& piece, std::vector<Piece>& made) {
            piece.strip(left, right);
            made.push_back(std::move(piece));
          }};
}

Step prepend(std::string const& text) {
  return {"Prepend " + text, [=](Piece&& piece, std::vector<Piece>& made) {
            piece.prepend(text);
            made.push_back(std::move(piece));
          }};
}

Step replace(Pattern const& from, std::string const& to) {
  return {fmt::format("Replace {}\n{}", from.name(), to), [=](Piece&& piece, std::vector<Piece>& made) {
            piece.replace(from, to);
            made.push_back(std::move(piece));
          }};
}

}  // namespace onemask::detail
