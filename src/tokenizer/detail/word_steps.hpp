#pragma once

#include "tokenizer/detail/piece.hpp"

namespace onemask::detail {

/// The steps of a pre-tokenizer: they cut a normalized text into the words that byte pairs are merged in.

/// What becomes of the matches that a text is cut at.
enum class Cut {
  removed,
  isolated,              ///< a word each
  merged_with_previous,  ///< the end of the word before
  merged_with_next,      ///< the beginning of the word behind
  contiguous,            ///< neighbouring matches are one word
};

/// Cuts at the matches of `pattern` or, with `invert`, at what lies between them.
Step split(Pattern const& pattern, Cut cut, bool invert);
/// At everything but runs of word characters and runs of other characters that are no white space.
Step split_white_space_and_symbols();
/// Puts a space before every piece that has none.
Step prefix_space();
/// Writes every byte as a character of GPT-2's alphabet.
Step bytes_as_characters();

/// Where Metaspace puts its character before a text that does not begin with it.
enum class Prefix { never, first, always };  ///< first: only where the text begins, not behind added tokens

/// Writes `character` for every space, and cuts before it with `cuts`.
Step metaspace(std::string const& character, Prefix prefix, bool cuts);

}  // namespace onemask::detail
