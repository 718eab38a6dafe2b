#include <onemask/core/error.hpp>
#include <onemask/report/overlap.hpp>
#include <onemask/statistics/resampling.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr double not_defined = std::numeric_limits<double>::quiet_NaN();

double mean(std::vector<double> const& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(std::vector<double> const& values) {
  auto const middle = mean(values);
  double squares = 0;
  for (auto const value : values) squares += (value - middle) * (value - middle);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

double correlation(std::vector<double> const& a, std::vector<double> const& b) {
  auto const of_a = mean(a), of_b = mean(b);
  double products = 0;
  for (std::size_t i = 0; i < a.size(); ++i) products += (a[i] - of_a) * (b[i] - of_b);
  auto const scale = deviation(a) * deviation(b) * static_cast<double>(a.size());
  return scale > 0 ? products / scale : not_defined;
}

/// Shares of zeros by row and by column.
struct Shares {
  explicit Shares(ByteMatrix const& mask) : rows(mask.rows), columns(mask.columns) {
    for (std::size_t i = 0; i < mask.values.size(); ++i) {
      if (mask.values[i] != 0) continue;
      ++rows[i / mask.columns];
      ++columns[i % mask.columns];
    }
    for (auto& count : rows) count /= static_cast<double>(mask.columns);
    for (auto& count : columns) count /= static_cast<double>(mask.rows);
  }
  std::vector<double> rows, columns;
};

/// Of lines of `length` entries.
Spread spread_of(std::vector<double> const& shares, std::size_t length) {
  std::vector<std::size_t> order(shares.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return shares[a] > shares[b]; });
  auto const n = static_cast<double>(shares.size());
  auto const zeros = mean(shares);
  double weighted = 0;
  for (std::size_t i = 0; i < order.size(); ++i) weighted += (n - 2 * static_cast<double>(i) - 1) * shares[order[i]];
  Spread spread{shares[order.front()],
                shares[order[order.size() / 20]],
                deviation(shares),
                std::sqrt(zeros * (1 - zeros) / static_cast<double>(length)),
                zeros > 0 ? weighted / (n * n * zeros) : not_defined,
                {}};
  for (std::size_t i = 0; i < std::min<std::size_t>(5, order.size()); ++i) spread.top.emplace_back(order[i], shares[order[i]]);
  return spread;
}

}  // namespace

Overlap overlap_of(ByteMatrix const& a, ByteMatrix const& b) {
  if (a.rows != b.rows || a.columns != b.columns)
    throw UserError(
        fmt::format("Masks of {} x {} and {} x {} entries cannot be compared.", a.rows, a.columns, b.rows, b.columns));
  SeededScores both{1, std::vector<double>(a.rows)}, either = both;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    bool const in_a = a.values[i] == 0, in_b = b.values[i] == 0;
    both.values[i / a.columns] += in_a && in_b;
    either.values[i / a.columns] += in_a || in_b;
  }
  Shares const of_a(a), of_b(b);
  auto const zeros_a = mean(of_a.rows), zeros_b = mean(of_b.rows), expected = zeros_a * zeros_b;
  auto const means = Resampling(a.rows, 1, {}, resamples_of_intervals).means({both, either});
  std::vector<double> resampled;
  for (std::size_t r = 0; r < means[0].size(); ++r) resampled.push_back(means[0][r] / means[1][r]);
  return {zeros_a,
          zeros_b,
          both.mean() / either.mean(),
          percentile_interval(std::move(resampled)),
          expected / (zeros_a + zeros_b - expected),
          both.mean() / static_cast<double>(a.columns) / expected,
          correlation(of_a.rows, of_b.rows),
          correlation(of_a.columns, of_b.columns)};
}

Spread spread_over_rows(ByteMatrix const& mask) {
  return spread_of(Shares(mask).rows, mask.columns);
}

Spread spread_over_columns(ByteMatrix const& mask) {
  return spread_of(Shares(mask).columns, mask.rows);
}

}  // namespace onemask
