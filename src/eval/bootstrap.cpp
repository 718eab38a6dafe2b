#include "eval/bootstrap.hpp"

#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

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
  auto const drawn = weights.sum().item<std::int64_t>();
  invariant(drawn == n * Bootstrap::resamples, drawn, " of ", n * Bootstrap::resamples, " items were drawn");
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
  invariant(drawn.size(0) == resamples && drawn.size(1) == n, "items are drawn out of ", drawn.size(1), " instead of ", n);
  auto sums = at::zeros({series.size(0), resamples}, at::kDouble);
  for (std::int64_t first = 0; first < n; first += block) {
    auto const count = std::min(block, n - first);
    sums.addmm_(series.narrow(1, first, count), drawn.narrow(1, first, count).to(at::kDouble).t());
  }
  return sums.div_(n);
}

std::pair<double, double> middle(double const* values) {
  constexpr std::size_t n = Bootstrap::resamples;
  static_assert(n % 2 == 0);
  // One fact without a number is in some of the resamples only.
  if (std::any_of(values, values + n, [](double value) { return std::isnan(value); })) {
    auto const none = std::numeric_limits<double>::quiet_NaN();
    return {none, none};
  }
  double low = values[0], high = low, other_low = low, other_high = low;  // two of each, which need not wait for each other
  for (std::size_t i = 0; i < n; i += 2) {
    low = std::min(values[i], low);
    high = std::max(values[i], high);
    other_low = std::min(values[i + 1], other_low);
    other_high = std::max(values[i + 1], other_high);
  }
  low = std::min(low, other_low);
  high = std::max(high, other_high);
  double const scale = bins / (high - low);
  if (!(scale > 0) || !std::isfinite(scale)) return {low, high};  // all are equal, or nearly so

  // Values fall into bins in their order; only the two bins that hold a bound need sorting.
  std::array<std::int32_t, n> bin_of;
  for (std::size_t i = 0; i < n; ++i) bin_of[i] = static_cast<std::int32_t>(std::min((values[i] - low) * scale, bins - 1.0));
  std::array<std::size_t, bins> counts{};
  for (auto const bin : bin_of) ++counts[static_cast<std::size_t>(bin)];
  auto const at_rank = [&](std::size_t rank) {
    std::int32_t bin = 0;
    for (; rank >= counts[static_cast<std::size_t>(bin)]; ++bin) rank -= counts[static_cast<std::size_t>(bin)];
    std::array<double, n> found;
    std::size_t size = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (bin_of[i] == bin) found[size++] = values[i];
    }
    std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(rank),
                     found.begin() + static_cast<std::ptrdiff_t>(size));
    return found[rank];
  };
  return {at_rank(n * 25 / 1000), at_rank(n * 975 / 1000 - 1)};
}

}  // namespace onemask
