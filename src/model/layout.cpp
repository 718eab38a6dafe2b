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
  layout.positions = index_tensor(flat, at::kCPU);
  layout.row = index_tensor(row_of, at::kCPU);
  layout.pad = index_tensor(pad, at::kCPU);
  layout.unpad = index_tensor(unpad, at::kCPU);
  layout.padded_positions = index_tensor(padded, at::kCPU).view({layout.rows(), layout.width});
  IndexMove().add(layout).to(device);
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
  TokenRows packed{make_layout(positions, at::kCPU), index_tensor(ids, at::kCPU)};
  IndexMove().add(packed).to(device);
  return packed;
}

IndexMove& IndexMove::add(at::Tensor& indices) {
  invariant(indices.is_cpu() && indices.scalar_type() == at::kLong, "indices to be moved together lie on ",
            indices.device().str());
  tensors_.push_back(&indices);
  return *this;
}

IndexMove& IndexMove::add(Layout& layout) {
  return add(layout.positions).add(layout.row).add(layout.pad).add(layout.unpad).add(layout.padded_positions);
}

void IndexMove::to(at::Device device) {
  if (device.is_cpu() || tensors_.empty()) return;
  std::vector<at::Tensor> flat;
  std::vector<std::int64_t> sizes;
  for (auto const* tensor : tensors_) {
    flat.push_back(tensor->flatten());
    sizes.push_back(tensor->numel());
  }
  auto const moved = at::cat(flat).to(device).split_with_sizes(sizes);
  for (std::size_t i = 0; i < moved.size(); ++i) *tensors_[i] = moved[i].view(tensors_[i]->sizes());
}

}  // namespace onemask
