#include "eval/bootstrap.hpp"

#include <onemask/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace onemask {
namespace {

constexpr std::int64_t kept_bytes = 200'000'000;  // of weights; others are drawn again when they are needed
constexpr std::int64_t block = 1024;              // items per product
constexpr int bins = 256;

/// How often each of n items is drawn, [resamples, n] uint8: none is drawn 256 times (of 256 items, with probability 1e-500).
at::Tensor draw(std::int64_t n) {
  auto const items = static_cast<std::uint64_t>(n);
  RandomStream random({stream::bootstrap, items});
  auto weights = at::zeros({Bootstrap::resamples, n}, at::kByte);
  auto* row = weights.data_ptr<std::uint8_t>();
  for (std::int64_t resample = 0; resample < Bootstrap::resamples; ++resample, row += n) {
    for (std::uint64_t i = 0; i < items; ++i) ++row[random.below(items)];
  }
  return weights;
}

}  // namespace

at::Tensor Bootstrap::weights(std::int64_t n) {
  auto const found = kept_.find(n);
  if (found != kept_.end()) return found->second;
  auto drawn = draw(n);
  if (bytes_ + drawn.numel() <= kept_bytes) {
    kept_.emplace(n, drawn);
    bytes_ += drawn.numel();
  }
  return drawn;
}

at::Tensor Bootstrap::means(at::Tensor const& series) {
  auto const n = series.size(1);
  auto const drawn = weights(n);
  auto sums = at::zeros({series.size(0), resamples}, at::kDouble);
  for (std::int64_t first = 0; first < n; first += block) {
    auto const count = std::min(block, n - first);
    sums.addmm_(series.narrow(1, first, count), drawn.narrow(1, first, count).to(at::kDouble).t());
  }
  return sums.div_(n);
}

std::pair<double, double> middle(double const* values) {
  auto const bounds = std::minmax_element(values, values + Bootstrap::resamples);
  double const least = *bounds.first, scale = bins / (*bounds.second - least);
  if (!(scale > 0) || !std::isfinite(scale)) return {least, *bounds.second};  // all are equal, or nearly so
  // Values fall into bins in their order, and only the two bins that hold a bound need sorting.
  std::array<std::uint16_t, bins> counts{};
  std::array<std::uint8_t, Bootstrap::resamples> bin_of;
  for (std::size_t i = 0; i < bin_of.size(); ++i) {
    bin_of[i] = static_cast<std::uint8_t>(std::min((values[i] - least) * scale, bins - 1.0));
    ++counts[bin_of[i]];
  }
  auto const at_rank = [&](std::size_t rank) {
    std::size_t bin = 0;
    for (; rank >= counts[bin]; ++bin) rank -= counts[bin];
    std::vector<double> found;
    for (std::size_t i = 0; i < bin_of.size(); ++i) {
      if (bin_of[i] == bin) found.push_back(values[i]);
    }
    std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(rank), found.end());
    return found[rank];
  };
  return {at_rank(Bootstrap::resamples * 25 / 1000), at_rank(Bootstrap::resamples * 975 / 1000 - 1)};
}

}  // namespace onemask
