#pragma once

#include "tokenizer/detail/piece.hpp"

#include <string>

namespace onemask::detail {

/// The steps of a normalizer: each rewrites a text before it is cut into words.

/// Unicode's normalization form, "NFC", "NFD", "NFKC" or "NFKD".
Step normalization_form(std::string const& form);
/// Every character's small letter, whatever stands beside it.
Step lowercase();
/// Removes accents and all other characters that combine with the one before them.
Step strip_accents();
Step strip_white_space(bool left, bool right);
Step prepend(std::string const& text);
Step replace(Pattern const& from, std::string const& to);

}  // namespace onemask::detail
