#include <onemask/core/invariant.hpp>
#include <onemask/model/cached_rows.hpp>

#include <algorithm>
#include <numeric>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

/// Rows run at once while the cache is filled.
constexpr std::size_t rows_at_once = 64;

}  // namespace

CachedRows::CachedRows(CausalLM const& model, int layer, std::vector<std::vector<std::int64_t>> const& rows)
    : device_(model.device()) {
  c10::NoGradGuard const no_gradients;
  for (std::size_t first = 0; first < rows.size(); first += rows_at_once) {
    auto const last = std::min(rows.size(), first + rows_at_once);
    auto const packed =
        pack_rows({rows.begin() + static_cast<std::ptrdiff_t>(first), rows.begin() + static_cast<std::ptrdiff_t>(last)}, device_);
    Pass const pass(model, packed.layout);
    auto const half = pass.halfway(layer, pass.run(0, layer - 1, pass.embed(packed.ids)));
    auto const residuals = half.residual.split_with_sizes(packed.layout.counts);
    auto const keys = half.key.split_with_sizes(packed.layout.counts);
    for (std::size_t row = 0; row < keys.size(); ++row) halves_.push_back({residuals[row], keys[row]});
  }
  invariant(halves_.size() == rows.size(), halves_.size(), " of ", rows.size(), " rows are kept");
}

CachedRows::Batch CachedRows::batch(std::span<std::int64_t const> rows) const {
  auto batch = batch_with_host_layout(rows);
  IndexMove().add(batch.layout).to(device_);
  return batch;
}

CachedRows::Batch CachedRows::batch_with_host_layout(std::span<std::int64_t const> rows) const {
  std::vector<std::vector<std::int64_t>> positions;
  std::vector<at::Tensor> residuals, keys;
  for (auto row : rows) {
    invariant(row >= 0 && row < std::ssize(halves_), "row ", row, " of ", halves_.size(), " kept ones is asked for");
    auto const& half = halves_[static_cast<std::size_t>(row)];
    positions.emplace_back(static_cast<std::size_t>(half.key.size(0)));
    std::iota(positions.back().begin(), positions.back().end(), std::int64_t{0});
    residuals.push_back(half.residual);
    keys.push_back(half.key);
  }
  return {make_layout(positions, at::kCPU), {at::cat(residuals), at::cat(keys)}};
}

}  // namespace onemask
