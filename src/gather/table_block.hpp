#pragma once

#include <onemask/store/study_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace onemask {

inline ColumnForm whole_column(char const* name) {
  return {name, ColumnKind::integer};
}
inline ColumnForm real_column(char const* name) {
  return {name, ColumnKind::real};
}
/// `width` as in ColumnForm.
inline ColumnForm text_column(char const* name, std::size_t width = 0) {
  return {name, ColumnKind::text, width};
}

/// Rows of a table in memory, value by value.
class TableBlock {
 public:
  explicit TableBlock(std::vector<ColumnForm> const& forms) {
    for (auto const& form : forms) {
      switch (form.kind) {
        case ColumnKind::integer:
          table_.columns.emplace_back(form.name, std::vector<std::int64_t>());
          break;
        case ColumnKind::real:
          table_.columns.emplace_back(form.name, std::vector<double>());
          break;
        case ColumnKind::text:
          table_.columns.emplace_back(form.name, std::vector<std::string>());
          break;
      }
    }
  }

  /// Values of a row, from its first column on: whole numbers, numbers and texts as the columns are.
  template <typename... Values>
  void add(Values const&... values) {
    column_ = 0;
    (put(values), ...);
  }
  /// More numbers of the same row.
  void go_on(float const* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) put(values[i]);
  }
  void go_on(std::int64_t value) { put(value); }
  Table const& table() const { return table_; }

 private:
  template <typename T>
  void put(T const& value) {
    auto& column = table_.columns[column_++].second;
    if constexpr (std::is_integral_v<T>) {
      std::get<std::vector<std::int64_t>>(column).push_back(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
      std::get<std::vector<double>>(column).push_back(static_cast<double>(value));
    } else {
      std::get<std::vector<std::string>>(column).emplace_back(value);
    }
  }

  Table table_;
  std::size_t column_ = 0;  ///< of the next value
};

}  // namespace onemask
