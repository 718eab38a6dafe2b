#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// Members of rows of scores as a tensor of their type, [rows, members].
template <typename T, typename Row, std::size_t count>
at::Tensor columns_of(std::vector<Row> const& rows, std::array<T Row::*, count> const& members, at::ScalarType type) {
  auto const table = at::empty({std::ssize(rows), static_cast<std::int64_t>(count)}, type);
  auto* next = table.template data_ptr<T>();
  for (auto const& row : rows) {
    for (auto member : members) *next++ = row.*member;
  }
  return table;
}

/// The way back. False where the table has other columns or another number of rows.
template <typename T, typename Row, std::size_t count>
bool read_columns(at::Tensor const& stored, std::array<T Row::*, count> const& members, at::ScalarType type,
                  std::vector<Row>& rows) {
  if (stored.dim() != 2 || stored.size(0) != std::ssize(rows) || stored.size(1) != static_cast<std::int64_t>(count) ||
      stored.scalar_type() != type)
    return false;
  auto const table = stored.contiguous();
  auto const* next = table.template data_ptr<T>();
  for (auto& row : rows) {
    for (auto member : members) row.*member = *next++;
  }
  return true;
}

}  // namespace onemask
