#pragma once

#include "tokenizer/detail/pattern.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace onemask::detail {

/// A part of a text on its way to tokens, as the steps so far have rewritten it.
struct Piece {
  std::string text;
  /// How many bytes at its beginning stem from the first character of the whole text: 0 unless the piece begins the text.
  std::size_t from_start = 0;

  /// A whole text.
  static Piece whole(std::string_view text);
  Piece part(std::size_t begin, std::size_t end) const;

  void prepend(std::string_view more);
  /// Puts `to` for every match.
  void replace(Pattern const& from, std::string_view to);
  /// Replaces the text by `function(text)`, which works from character to character.
  void rewrite(std::function<std::string(std::string_view)> const& function);
  /// Removes white space at the beginning or the end.
  void strip(bool left, bool right);
};

/// One step of a normalizer or a pre-tokenizer: makes pieces from a piece.
struct Step {
  std::string name;  ///< with all that decides what it makes, for fingerprints
  std::function<void(Piece&&, std::vector<Piece>&)> apply;
};

/// What the steps make of a piece, one after the other. Empty pieces are dropped.
std::vector<Piece> run_steps(std::vector<Step> const& steps, Piece piece);

}  // namespace onemask::detail
