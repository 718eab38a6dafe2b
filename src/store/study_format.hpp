#pragma once

#include <cstddef>
#include <string_view>

namespace onemask {

/// Attribute of a group that makes it a table, and holds the table's checksum.
inline constexpr char kChecksumName[] = "sha256";

/// Behind the HDF5 content, where HDF5 does not look, stands a line with its checksum: HDF5 itself may crash on a damaged file,
/// so one is recognised before HDF5 sees it.
inline constexpr std::string_view kSealHead = "onemask sha256 ";
inline constexpr std::size_t kSealSize = kSealHead.size() + 64 + 1;

}  // namespace onemask
