#pragma once

#include <cstdint>

namespace onemask {

/// Both ends of a 95 % interval.
struct Interval {
  double low, high;
};

/// Of a share, where `successes` of n independent yes/no results are yes: the exact interval of Clopper and Pearson (Biometrika
/// 26, 1934), also where none or all are. Throws UserError unless 0 <= successes <= n and n > 0.
Interval clopper_pearson(std::int64_t successes, std::int64_t n);

/// Of the mean of n shares between 0 and 1 whose bootstrap interval is `resampled`. Where all of them are 0, or all are 1, the
/// resamples are alike and say nothing; then it is Clopper and Pearson's of as many yes/no results. n > 0.
Interval interval_of_share(double mean, Interval resampled, std::int64_t n);

/// How often two yes/no results of the same facts agree.
struct PairedCounts {
  std::int64_t both = 0, only_a = 0, only_b = 0, neither = 0;

  std::int64_t n() const { return both + only_a + only_b + neither; }
  bool operator==(PairedCounts const&) const = default;
};

/// Of the difference of the shares of a and b in the same n > 0 facts: Newcombe's hybrid score interval for paired data
/// (Statistics in Medicine 17:2635, 1998, method 10). It has a width also where all facts agree.
Interval paired_share_difference(PairedCounts const& counts);

}  // namespace onemask
