#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace onemask::detail {

/// Offset of the first byte that does not begin a well-formed character (Unicode standard, table 3-7: no surrogates, nothing
/// overlong), or nothing.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// The bytes that a vocabulary writes as `token`, in GPT-2's alphabet of one printable character per byte; nothing when a
/// character is outside of it. `token` is valid UTF-8.
std::optional<std::string> bytes_of_token(std::string_view token);

}  // namespace onemask::detail
