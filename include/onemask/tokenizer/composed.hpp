#pragma once

#include <string>

namespace onemask {

/// A text in Unicode's form NFC: letters with their accents as one character where there is one. It must be valid UTF-8.
std::string composed(std::string const& text);

}  // namespace onemask
