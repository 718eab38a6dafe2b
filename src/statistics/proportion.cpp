#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/statistics/proportion.hpp>

#include <algorithm>
#include <cmath>

#include <boost/math/distributions/binomial.hpp>
#include <fmt/core.h>

namespace onemask {
namespace {

constexpr double tail = 0.025;
constexpr double normal_quantile = 1.959963984540054;  // of 1 - tail

/// Wilson's score interval.
Interval wilson(double share, double n) {
  constexpr double z = normal_quantile;
  auto const middle = 2 * n * share + z * z, reach = z * std::sqrt(z * z + 4 * n * share * (1 - share));
  return {(middle - reach) / (2 * (n + z * z)), (middle + reach) / (2 * (n + z * z))};
}

/// Correlation of the two results, drawn towards 0 by half a fact where it is positive (Newcombe's continuity correction).
double correlation(double both, double only_a, double only_b, double neither) {
  auto const margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither);
  if (margins == 0) return 0;
  auto const excess = both * neither - only_a * only_b;
  auto const half = (both + only_a + only_b + neither) / 2;
  return (excess > half ? excess - half : excess > 0 ? 0 : excess) / std::sqrt(margins);
}

}  // namespace

Interval clopper_pearson(std::int64_t successes, std::int64_t n) {
  if (n <= 0 || successes < 0 || successes > n)
    throw UserError(fmt::format("A share of {} in {} has no interval; it needs 0 to n of n > 0.", successes, n));
  using boost::math::binomial;
  auto const trials = static_cast<double>(n), found = static_cast<double>(successes);
  return {binomial::find_lower_bound_on_p(trials, found, tail), binomial::find_upper_bound_on_p(trials, found, tail)};
}

Interval interval_of_share(double mean, Interval resampled, std::int64_t n) {
  return mean == 0 || mean == 1 ? clopper_pearson(mean == 0 ? 0 : n, n) : resampled;
}

Interval paired_share_difference(PairedCounts const& counts) {
  auto const both = static_cast<double>(counts.both), only_a = static_cast<double>(counts.only_a);
  auto const only_b = static_cast<double>(counts.only_b), neither = static_cast<double>(counts.neither);
  auto const n = static_cast<double>(counts.n());
  invariant(n > 0, "a difference of shares of no facts is asked for");
  auto const a = (both + only_a) / n, b = (both + only_b) / n;
  auto const of_a = wilson(a, n), of_b = wilson(b, n);
  auto const reach = [phi = correlation(both, only_a, only_b, neither)](double x, double y) {
    return std::sqrt(std::max(0.0, x * x - 2 * phi * x * y + y * y));
  };
  return {a - b - reach(a - of_a.low, of_b.high - b), a - b + reach(b - of_b.low, of_a.high - a)};
}

}  // namespace onemask
