#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onemask::detail {

/// A text that is one token wherever it occurs, such as "<|endoftext|>". `text` is not empty.
struct AddedToken {
  std::string text;
  std::int32_t id;
  bool takes_space_before = false, takes_space_behind = false;  ///< white space there is part of the token (lstrip, rstrip)
  bool single_word = false;                                     ///< not beside a word character
};

/// Finds added tokens in a text.
class AddedTokens {
 public:
  /// A part of a text: a token, or what lies between tokens.
  struct Part {
    std::size_t begin, end;
    std::optional<std::int32_t> id;
  };

  /// Of two tokens with one text the first is found.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// All of the text, in order. Tokens are found leftmost first; of those that begin at one place the longest.
  std::vector<Part> parts(std::string_view text) const;

 private:
  AddedToken const* token_at(std::string_view text) const;

  std::array<std::vector<AddedToken>, 256> by_first_byte_;  // longest first
};

}  // namespace onemask::detail
