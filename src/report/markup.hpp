#pragma once

#include <string>

namespace onemask {

/// A text as valid UTF-8 without control characters: what is none becomes U+FFFD or a space.
std::string valid_text(std::string const& text);

/// A text between the tags or in the attributes of HTML and XML.
std::string escaped_markup(std::string const& text);

}  // namespace onemask
