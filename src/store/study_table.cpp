#include "column_digest.hpp"
#include <onemask/core/error.hpp>
#include <onemask/store/study_file.hpp>

namespace onemask {

std::size_t length(Column const& column) {
  return std::visit([](auto const& values) { return values.size(); }, column);
}

std::size_t Table::rows() const {
  return columns.empty() ? 0 : length(columns.front().second);
}

Column const* Table::find(std::string_view name) const {
  for (auto const& [column_name, column] : columns) {
    if (column_name == name) return &column;
  }
  return nullptr;
}

template <class T>
std::vector<T> const& Table::values(std::string_view name) const {
  Column const* const column = find(name);
  if (column == nullptr) throw UserError("The table has no column '" + std::string(name) + "'.");
  auto const* const values = std::get_if<std::vector<T>>(column);
  if (values == nullptr) throw UserError("The column '" + std::string(name) + "' holds values of another kind than expected.");
  return *values;
}

template std::vector<std::int64_t> const& Table::values(std::string_view) const;
template std::vector<double> const& Table::values(std::string_view) const;
template std::vector<std::string> const& Table::values(std::string_view) const;

std::string checksum(Table const& table) {
  std::vector<ColumnDigest> columns(table.columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) columns[c].add(table.columns[c].second);
  std::vector<std::string> names;
  for (auto const& [name, column] : table.columns) names.push_back(name);
  return checksum(names, columns);
}

std::string checksum(ByteMatrix const& matrix) {
  Hasher hasher;
  hasher.integer(static_cast<long long>(matrix.rows)).integer(static_cast<long long>(matrix.columns));
  hasher.bytes(matrix.values.data(), matrix.values.size());
  for (auto const& [name, value] : matrix.attributes) hasher.text(name).text(value);
  return hasher.hex();
}

}  // namespace onemask
