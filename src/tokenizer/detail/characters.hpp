#pragma once

#include <cstddef>
#include <string_view>

namespace onemask::detail {

/// A set of characters, by code point.
using CharacterClass = bool (*)(char32_t);

/// The sets that tokenizers' steps speak of, each in the version of Unicode that the library `tokenizers` has it in.
bool is_white_space(char32_t character);
bool is_number(char32_t character);  ///< decimal digits, letters that are numbers, and others such as fractions
bool is_punctuation(char32_t character);
bool is_word_character(char32_t character);
bool is_mark(char32_t character);  ///< accents and all else that combines with the character before it

/// Whether Unicode's normalization forms may change it. Later characters are left as they are.
bool has_normalization(char32_t character);

/// The code point at the start of `text`, which is valid UTF-8 and not empty.
char32_t first_character(std::string_view text);
/// The code point at its end.
char32_t last_character(std::string_view text);

/// How many bytes of white space stand at the beginning and at the end of `text`.
std::size_t white_space_at_start(std::string_view text);
std::size_t white_space_at_end(std::string_view text);

}  // namespace onemask::detail
