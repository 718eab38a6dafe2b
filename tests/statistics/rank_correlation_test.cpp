#include <onemask/statistics/rank_correlation.hpp>

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using Ranks = std::vector<std::uint32_t>;

Ranks ranks_of(std::vector<float> const& values) {
  return doubled_ranks(values);
}

TEST(RankCorrelation, EqualValuesShareTheMeanOfTheirRanks) {
  EXPECT_EQ(ranks_of({0.5F, -1, 3, 0.5F}), (Ranks{5, 2, 8, 5}));
  EXPECT_EQ(ranks_of({7, 7, 7}), (Ranks{4, 4, 4}));
  EXPECT_EQ(ranks_of({}), Ranks());
}

TEST(RankCorrelation, ByHand) {
  // Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 · 4 / (4 · 15).
  EXPECT_NEAR(rank_correlation(ranks_of({1, 2, 3, 4}), ranks_of({20, 10, 40, 30})), 0.6, 1e-12);
  // Any rising function of the values has their ranks.
  EXPECT_NEAR(rank_correlation(ranks_of({1, 2, 3, 4}), ranks_of({1, 8, 27, 64})), 1, 1e-12);
  EXPECT_NEAR(rank_correlation(ranks_of({1, 2, 3, 4}), ranks_of({-1, -8, -27, -64})), -1, 1e-12);
  // With a tie: ranks 1 2.5 2.5 4 against 1 2 3 4.
  EXPECT_NEAR(rank_correlation(ranks_of({1, 2, 2, 4}), ranks_of({1, 2, 3, 4})), 4.5 / std::sqrt(4.5 * 5), 1e-12);
  EXPECT_TRUE(std::isnan(rank_correlation(ranks_of({1, 1}), ranks_of({1, 2}))));
}

}  // namespace
}  // namespace onemask::test
