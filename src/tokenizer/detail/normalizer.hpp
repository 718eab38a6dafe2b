#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace onemask::detail {

/// One rewriting of a text before it becomes tokens.
enum class NormalizerStep {
  nfc,            ///< characters composed as far as Unicode has them composed (normalization form C)
  prepend_space,  ///< U+2581 put in front
  write_spaces,   ///< U+2581 written for every space
};

/// `text` (valid UTF-8, not empty) after all steps.
std::string normalize(std::vector<NormalizerStep> const& steps, std::string_view text);

}  // namespace onemask::detail
