#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace onemask {

/// JSON without line breaks. Bytes that are not UTF-8, as in a token that cuts a character, become U+FFFD.
std::string json_line(nlohmann::ordered_json const& value);

}  // namespace onemask
