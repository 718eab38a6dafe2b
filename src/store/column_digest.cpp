#include "column_digest.hpp"

#include <bit>

namespace onemask {

namespace {

char const* add_values(Hasher& hasher, std::vector<std::int64_t> const& values) {
  if constexpr (std::endian::native == std::endian::little) {
    hasher.bytes(values.data(), values.size() * sizeof(std::int64_t));
  } else {
    for (auto const value : values) hasher.integer(value);
  }
  return "int64";
}

char const* add_values(Hasher& hasher, std::vector<double> const& values) {
  if constexpr (std::endian::native == std::endian::little) {
    hasher.bytes(values.data(), values.size() * sizeof(double));
  } else {
    for (auto const value : values) hasher.number(value);
  }
  return "float64";
}

char const* add_values(Hasher& hasher, std::vector<std::string> const& values) {
  for (auto const& value : values) hasher.text(value);
  return "text";
}

}  // namespace

void ColumnDigest::add(Column const& values) {
  kind_ = std::visit([this](auto const& of_kind) { return add_values(hasher_, of_kind); }, values);
  length_ += static_cast<long long>(length(values));
}

std::string checksum(std::vector<std::string> const& names, std::vector<ColumnDigest>& columns) {
  Hasher table;
  for (std::size_t c = 0; c < columns.size(); ++c)
    table.text(names.at(c)).text(columns[c].kind_).integer(columns[c].length_).text(columns[c].hasher_.hex());
  return table.hex();
}

}  // namespace onemask
