#include <onemask/core/invariant.hpp>
#include <onemask/model/layout.hpp>

#include <algorithm>
#include <numeric>

namespace onemask {

at::Tensor index_tensor(std::vector<std::int64_t> const& values, at::Device device) {
  return at::tensor(at::ArrayRef<std::int64_t>(values), at::kLong).to(device);
}

std::int64_t Layout::token(std::int64_t row_index, std::int64_t offset) const {
  auto const begin = std::accumulate(counts.begin(), counts.begin() + row_index, std::int64_t{0});
  return begin + (offset < 0 ? counts[row_index] + offset : offset);
}

Layout make_layout(std::vector<std::vector<std::int64_t>> const& positions, at::Device device) {
  Layout layout;
  for (auto const& row : positions) {
    invariant(!row.empty(), "row ", layout.counts.size(), " of a pack has no token");
    layout.counts.push_back(static_cast<std::int64_t>(row.size()));
    layout.tokens += layout.counts.back();
    layout.width = std::max(layout.width, layout.counts.back());
  }
  std::vector<std::int64_t> flat, row_of, pad, unpad, padded;
  for (std::int64_t row = 0; row < layout.rows(); ++row) {
    auto const first = static_cast<std::int64_t>(flat.size());
    for (std::int64_t column = 0; column < layout.width; ++column) {
      bool const present = column < layout.counts[row];
      pad.push_back(present ? first + column : first);
      padded.push_back(present ? positions[row][column] : -1);
      if (present) {
        unpad.push_back(row * layout.width + column);
        flat.push_back(positions[row][column]);
        row_of.push_back(row);
      }
    }
  }
  layout.positions = index_tensor(flat, device);
  layout.row = index_tensor(row_of, device);
  layout.pad = index_tensor(pad, device);
  layout.unpad = index_tensor(unpad, device);
  layout.padded_positions = index_tensor(padded, device).view({layout.rows(), layout.width});
  return layout;
}

TokenRows pack_rows(std::vector<std::vector<std::int64_t>> const& rows, at::Device device) {
  std::vector<std::vector<std::int64_t>> positions;
  std::vector<std::int64_t> ids;
  for (auto const& row : rows) {
    positions.emplace_back(row.size());
    std::iota(positions.back().begin(), positions.back().end(), std::int64_t{0});
    ids.insert(ids.end(), row.begin(), row.end());
  }
  return {make_layout(positions, device), index_tensor(ids, device)};
}

}  // namespace onemask
