#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace onemask {

/// Throws UserError where a file begins as a Git LFS pointer, which stands in a clone in place of a file that was not fetched.
void refuse_lfs_pointer(std::string_view beginning, std::filesystem::path const& file);

/// The same, and where it begins as something else than text in UTF-8: packed by gzip, zip, zstd, xz or bzip2, as Parquet, or in
/// UTF-16.
void expect_text(std::string_view beginning, std::filesystem::path const& file);

/// The mark that some programs write before text in UTF-8. It is no part of the text.
inline constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// The text of a file, unpacked where gzip packed it, without a byte order mark. Throws UserError as expect_text does, or where
/// the file cannot be read.
std::string read_text(std::filesystem::path const& file);

/// The text with \n in place of every \r\n.
std::string with_plain_line_ends(std::string text);

}  // namespace onemask
