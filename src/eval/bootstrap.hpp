#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include <ATen/ATen.h>

namespace onemask {

/// The percentile bootstrap over n items: every resample draws n of them with replacement, the same for all series of n.
class Bootstrap {
 public:
  static constexpr std::int64_t resamples = 1000;

  /// Means of each series under every resample: [series, resamples] float64 of [series, n] float64. A matrix product with the
  /// numbers of times that each item is drawn, so doubles are added in the order of that product.
  at::Tensor means(at::Tensor const& series);

 private:
  at::Tensor weights(std::int64_t n);

  std::map<std::int64_t, at::Tensor> kept_;  // by n, [resamples, n] uint8
  std::int64_t bytes_ = 0;                   // of them
};

/// The bounds of the middle 95 % of `resamples` finite values: those that 25 lie below and above.
std::pair<double, double> middle(double const* values);

}  // namespace onemask
