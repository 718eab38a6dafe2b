#include "tokenizer/detail/characters.hpp"

#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>

#include <string>

#include <unicode/uniset.h>

namespace onemask::detail {
namespace {

/// The characters that an expression of ICU for sets names.
class CharacterSet {
 public:
  explicit CharacterSet(char16_t const* expression) {
    UErrorCode error = U_ZERO_ERROR;
    set_ = icu::UnicodeSet(icu::UnicodeString(expression), error);
    if (U_FAILURE(error)) throw RunError(std::string("ICU cannot make a set of characters: ") + u_errorName(error) + ".");
    set_.freeze();
  }
  bool contains(char32_t character) const { return set_.contains(static_cast<UChar32>(character)); }

 private:
  icu::UnicodeSet set_;
};

std::size_t start_of_last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while ((static_cast<unsigned char>(text[begin]) & 0xC0u) == 0x80) --begin;
  return begin;
}

}  // namespace

bool is_white_space(char32_t character) {
  static CharacterSet const set(u"[:White_Space:]");
  return set.contains(character);
}

bool is_number(char32_t character) {
  static CharacterSet const set(u"[:N:]");
  return set.contains(character);
}

bool is_punctuation(char32_t character) {
  // Unicode 8, in which U+166D and U+111C9 were punctuation; and what ASCII has beyond it.
  static CharacterSet const set(u"[[[:P:]&[:age=8.0:]] \\u166D \\U000111C9 [\\$+<=>\\^`|~]]");
  return set.contains(character);
}

bool is_word_character(char32_t character) {
  static CharacterSet const set(u"[[:Alphabetic:][:M:][:Nd:][:Pc:][:Join_Control:]]");
  return set.contains(character);
}

bool is_mark(char32_t character) {
  // Unicode 9, in which U+1CF2 and U+1CF3 were marks and U+111C9 was not.
  static CharacterSet const set(u"[[[[:M:]&[:age=9.0:]][\\u1CF2\\u1CF3]]-[\\U000111C9]]");
  return set.contains(character);
}

bool has_normalization(char32_t character) {
  static CharacterSet const set(u"[:age=9.0:]");
  return set.contains(character);
}

char32_t first_character(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  char32_t const first = byte(0);
  if (first < 0x80) return first;
  std::size_t const more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  char32_t character = first & (0x3Fu >> more);
  for (std::size_t i = 1; i <= more; ++i) character = character << 6 | (byte(i) & 0x3Fu);
  return character;
}

char32_t last_character(std::string_view text) {
  return first_character(text.substr(start_of_last_character(text)));
}

std::size_t white_space_at_start(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && is_white_space(first_character(text.substr(size)))) size += character_length(text.substr(size));
  return size;
}

std::size_t white_space_at_end(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty() && is_white_space(last_character(rest))) rest = rest.substr(0, start_of_last_character(rest));
  return text.size() - rest.size();
}

}  // namespace onemask::detail
