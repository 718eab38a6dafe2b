#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
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

namespace {

void add_values(Hasher& hasher, std::vector<std::int64_t> const& values) {
  hasher.text("int64");
  for (auto const value : values) hasher.integer(value);
}

void add_values(Hasher& hasher, std::vector<double> const& values) {
  hasher.text("float64");
  for (auto const value : values) hasher.number(value);
}

void add_values(Hasher& hasher, std::vector<std::string> const& values) {
  hasher.text("text");
  for (auto const& value : values) hasher.text(value);
}

}  // namespace

std::string checksum(Table const& table) {
  Hasher hasher;
  for (auto const& [name, column] : table.columns) {
    hasher.text(name).integer(static_cast<long long>(length(column)));
    std::visit([&hasher](auto const& values) { add_values(hasher, values); }, column);
  }
  return hasher.hex();
}

}  // namespace onemask
