#include <onemask/core/invariant.hpp>
#include <onemask/statistics/rank_correlation.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace onemask {

std::vector<std::uint32_t> doubled_ranks(std::span<float const> values) {
  invariant(values.size() < std::numeric_limits<std::uint32_t>::max() / 2, "there are ", values.size(), " values to rank");
  invariant(std::none_of(values.begin(), values.end(), [](float value) { return std::isnan(value); }),
            "a value that is no number has no rank");
  std::vector<std::uint32_t> order(values.size()), ranks(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return values[a] < values[b]; });
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    for (auto i = first; i < last; ++i) ranks[order[i]] = static_cast<std::uint32_t>(first + 1 + last);
  }
  return ranks;
}

double rank_correlation(std::vector<std::uint32_t> const& a, std::vector<std::uint32_t> const& b) {
  invariant(a.size() == b.size(), "ranks of ", a.size(), " and ", b.size(), " values are compared");
  auto const middle = static_cast<double>(a.size()) + 1;  // the mean of doubled ranks
  double products = 0, squares_a = 0, squares_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto const x = a[i] - middle, y = b[i] - middle;
    products += x * y, squares_a += x * x, squares_b += y * y;
  }
  auto const scale = std::sqrt(squares_a) * std::sqrt(squares_b);
  return scale > 0 ? products / scale : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace onemask
