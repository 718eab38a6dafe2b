#pragma once

#include <onemask/core/hash.hpp>
#include <onemask/store/study_file.hpp>

#include <string>
#include <vector>

namespace onemask {

/// The SHA-256 of a column's values, which may arrive in pieces: integers and reals as 8 bytes, least significant first, texts
/// as their length and bytes.
class ColumnDigest {
 public:
  void add(Column const& values);

 private:
  friend std::string checksum(std::vector<std::string> const& names, std::vector<ColumnDigest>& columns);
  Hasher hasher_;
  char const* kind_ = "";
  long long length_ = 0;
};

/// The checksum of a table of these columns. They must not be used afterwards.
std::string checksum(std::vector<std::string> const& names, std::vector<ColumnDigest>& columns);

}  // namespace onemask
