#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace onemask::detail {

/// Length of the well-formed character at the start of `text`, or 0.
std::size_t character_length(std::string_view text);

/// Offset of the first byte that does not begin a well-formed character (Unicode standard, table 3-7: no surrogates, nothing
/// overlong), or nothing.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// The bytes that a vocabulary writes as `token`, in GPT-2's alphabet of one printable character per byte; nothing when a
/// character is outside of it. `token` is valid UTF-8.
std::optional<std::string> bytes_of_token(std::string_view token);

/// The inverse: how a vocabulary in GPT-2's alphabet writes `bytes`.
std::string token_of_bytes(std::string_view bytes);

/// U+2581, which SentencePiece's vocabularies write for a space.
inline constexpr std::string_view written_space = "\u2581";

/// The byte that SentencePiece's vocabularies write as "<0x0A>", or nothing.
std::optional<unsigned char> byte_of_token(std::string_view token);

/// `text` with every `from`, which is not empty, replaced.
std::string replaced(std::string_view text, std::string_view from, std::string_view to);

}  // namespace onemask::detail
