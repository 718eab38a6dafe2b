#pragma once

#include <onemask/statistics/proportion.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace onemask {

/// McNemar's exact test: two-sided probability that the facts in which only one of the two holds are shared out so unevenly,
/// where each is a fair coin's toss. 1 where there are none.
double mcnemar_exact(PairedCounts const& counts);

/// Wilcoxon's signed-rank test of differences between pairs. Differences of 0 are left out (scipy's zero_method "wilcox"); equal
/// sizes have the mean of their ranks.
struct SignedRank {
  double plus = 0, minus = 0;  ///< sums of the ranks of positive and of negative differences
  std::int64_t n = 0;          ///< differences that are not 0
  bool exact = false;          ///< p by counting: n <= 50 and no two sizes are equal
  double p = 1;                ///< two-sided; otherwise by the normal distribution, with the corrections for ties and continuity
  double rank_biserial = 0;    ///< (plus - minus) / (plus + minus), from -1 to 1; 0 where n is 0 (Kerby 2014)
};
SignedRank wilcoxon(std::vector<double> const& differences);

/// Cohen's d_z: mean of the differences by their standard deviation (n - 1). NaN of less than two differences; of equal ones 0
/// where they are 0, infinite elsewhere.
double cohens_dz(std::vector<double> const& differences);

/// Holm's step-down p values (Scandinavian Journal of Statistics 6:65, 1979), in the order given: below 0.05 in all of them
/// together with a chance of at most 5 %, where none of the differences is there.
std::vector<double> holm(std::vector<double> const& p);

/// A difference is there where its p, after Holm's correction, is below this.
inline constexpr double error_rate = 0.05;

}  // namespace onemask
