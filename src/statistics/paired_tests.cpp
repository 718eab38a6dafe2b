#include <onemask/core/invariant.hpp>
#include <onemask/statistics/paired_tests.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>

namespace onemask {
namespace {

constexpr std::int64_t most_exact = 50;  // as scipy; 2^50 sums of ranks are counted in doubles without rounding

/// Two-sided probability of a sum of the ranks 1 … n, each taken or not by a fair coin's toss.
double exact_p(std::int64_t n, double sum) {
  auto const most = static_cast<std::size_t>(n * (n + 1) / 2);
  std::vector<double> ways(most + 1);  // by sum
  ways[0] = 1;
  for (std::size_t rank = 1; rank <= static_cast<std::size_t>(n); ++rank) {
    for (auto s = most; s >= rank; --s) ways[s] += ways[s - rank];
  }
  auto const smaller = std::min(static_cast<std::size_t>(sum), most - static_cast<std::size_t>(sum));
  auto const tail = std::accumulate(ways.begin(), ways.begin() + static_cast<std::ptrdiff_t>(smaller) + 1, 0.0);
  return std::min(1.0, 2 * tail / std::exp2(static_cast<double>(n)));
}

/// `ties`: sum of t^3 - t over groups of t equal sizes.
double normal_p(double n, double sum, double ties) {
  auto const variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48;
  auto const distance = std::max(0.0, std::abs(sum - n * (n + 1) / 4) - 0.5);
  if (!(variance > 0)) return 1;
  return 2 * boost::math::cdf(boost::math::complement(boost::math::normal(), distance / std::sqrt(variance)));
}

}  // namespace

double mcnemar_exact(PairedCounts const& counts) {
  auto const fewer = std::min(counts.only_a, counts.only_b), discordant = counts.only_a + counts.only_b;
  if (discordant == 0) return 1;
  boost::math::binomial const tosses(static_cast<double>(discordant), 0.5);
  return std::min(1.0, 2 * boost::math::cdf(tosses, static_cast<double>(fewer)));
}

SignedRank wilcoxon(std::vector<double> const& differences) {
  std::vector<double> sorted;
  for (auto const difference : differences) {
    invariant(std::isfinite(difference), "a difference between two scores is not finite");
    if (difference != 0) sorted.push_back(difference);
  }
  std::sort(sorted.begin(), sorted.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  SignedRank result;
  result.n = std::ssize(sorted);
  double ties = 0;
  for (std::size_t first = 0, last = 0; first < sorted.size(); first = last) {
    while (last < sorted.size() && std::abs(sorted[last]) == std::abs(sorted[first])) ++last;
    auto const rank = static_cast<double>(first + 1 + last) / 2, count = static_cast<double>(last - first);
    for (auto i = first; i < last; ++i) (sorted[i] > 0 ? result.plus : result.minus) += rank;
    ties += count * count * count - count;
  }
  if (result.n == 0) return result;
  result.exact = result.n <= most_exact && ties == 0;
  result.p = result.exact ? exact_p(result.n, result.plus) : normal_p(static_cast<double>(result.n), result.plus, ties);
  result.rank_biserial = (result.plus - result.minus) / (result.plus + result.minus);
  return result;
}

double cohens_dz(std::vector<double> const& differences) {
  if (differences.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  auto const n = static_cast<double>(differences.size());
  auto const mean = std::accumulate(differences.begin(), differences.end(), 0.0) / n;
  double squares = 0;
  for (auto const difference : differences) squares += (difference - mean) * (difference - mean);
  return mean == 0 ? 0 : mean / std::sqrt(squares / (n - 1));
}

std::vector<double> holm(std::vector<double> const& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double least = 0;
  for (std::size_t i = 0; i < order.size(); ++i)
    adjusted[order[i]] = least = std::max(least, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
  return adjusted;
}

}  // namespace onemask
