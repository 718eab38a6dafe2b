#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace onemask {

/// JSON without line breaks. Bytes that are not UTF-8, as in a token that cuts a character, become U+FFFD.
inline std::string json_line(nlohmann::ordered_json const& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace onemask
