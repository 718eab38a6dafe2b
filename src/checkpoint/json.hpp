#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace onemask::detail {

/// The JSON object in `text`. Throws UserError beginning with `where` when it is not valid JSON, not an object, nested deeper
/// than 32 levels, or when an object names a field twice (which of the two is meant cannot be known).
nlohmann::json parse_json_object(std::string_view text, std::string const& where);

/// A short form of `value` for messages.
std::string excerpt(nlohmann::json const& value);

}  // namespace onemask::detail
