#pragma once

#include <string>

namespace onemask {

/// What a text is recognised by: its characters in Unicode's form NFC, without white space at its ends, and with one space for
/// any other white space.
std::string recognised(std::string const& text);

}  // namespace onemask
