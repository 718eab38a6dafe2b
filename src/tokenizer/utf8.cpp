#include "tokenizer/detail/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace onemask::detail {
namespace {

constexpr bool is_printable(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::size_t alphabet_end = 256 + 68;  // 188 bytes stand for themselves, the other 68 are written as U+0100 and up

/// The byte that each code point stands for, or -1.
constexpr std::array<std::int16_t, alphabet_end> make_alphabet() {
  std::array<std::int16_t, alphabet_end> bytes{};
  for (auto& byte : bytes) byte = -1;
  std::size_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) bytes[is_printable(byte) ? byte : next++] = static_cast<std::int16_t>(byte);
  return bytes;
}

constexpr auto alphabet = make_alphabet();

}  // namespace

std::size_t character_length(std::string_view text) {
  auto const byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto const continues = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  unsigned const first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if ((first & 0xF0u) == 0xE0) {
    bool const allowed = !(first == 0xE0 && second < 0xA0) && !(first == 0xED && second > 0x9F);
    return allowed && continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    bool const allowed = !(first == 0xF0 && second < 0x90) && !(first == 0xF4 && second > 0x8F);
    return allowed && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const length = character_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

std::optional<std::string> bytes_of_token(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size(); ++at) {
    std::size_t code = static_cast<unsigned char>(token[at]);
    if (code >= 0x80) {  // all of the alphabet fits in two bytes of UTF-8
      if ((code & 0xE0u) != 0xC0 || ++at == token.size()) return std::nullopt;
      code = (code & 0x1Fu) << 6 | (static_cast<unsigned char>(token[at]) & 0x3Fu);
    }
    if (code >= alphabet.size() || alphabet[code] < 0) return std::nullopt;
    bytes += static_cast<char>(alphabet[code]);
  }
  return bytes;
}

std::string token_of_bytes(std::string_view bytes) {
  std::string token;
  for (char const byte : bytes) {
    auto const code = static_cast<std::size_t>(std::find(alphabet.begin(), alphabet.end(), static_cast<unsigned char>(byte)) -
                                               alphabet.begin());
    if (code < 0x80) {
      token += static_cast<char>(code);
    } else {
      token.append({static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))});
    }
  }
  return token;
}

std::optional<unsigned char> byte_of_token(std::string_view token) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  auto const high = digits.find(token[3]), low = digits.find(token[4]);
  if (high == digits.npos || low == digits.npos) return std::nullopt;
  return static_cast<unsigned char>(high * 16 + low);
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (std::size_t found; (found = text.find(from)) != text.npos; text.remove_prefix(found + from.size()))
    result.append(text.substr(0, found)).append(to);
  return result.append(text);
}

}  // namespace onemask::detail
