#include <onemask/statistics/paired_tests.hpp>

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

TEST(McNemar, CountsTossesOfACoin) {
  EXPECT_DOUBLE_EQ(mcnemar_exact({50, 5, 1, 44}), 2 * (1 + 6) / 64.0);
  EXPECT_DOUBLE_EQ(mcnemar_exact({0, 1, 5, 0}), 2 * (1 + 6) / 64.0);
  EXPECT_DOUBLE_EQ(mcnemar_exact({0, 10, 0, 0}), 2 / 1024.0);
}

TEST(McNemar, SaysNothingWithoutADifference) {
  EXPECT_EQ(mcnemar_exact({60, 0, 0, 40}), 1);
  EXPECT_EQ(mcnemar_exact({0, 3, 3, 0}), 1);  // the two tails overlap
}

TEST(Wilcoxon, CountsSignsOfFewDifferences) {
  auto const all_positive = wilcoxon({0.1, 0.2, 0.3});
  EXPECT_TRUE(all_positive.exact);
  EXPECT_DOUBLE_EQ(all_positive.p, 2 / 8.0);
  EXPECT_EQ(all_positive.rank_biserial, 1);
  // Of the 8 sums of ranks 0, 1, 2, 3, 3, 4, 5, 6 three are at most 2.
  auto const mixed = wilcoxon({1, -2, 3});
  EXPECT_DOUBLE_EQ(mixed.p, 2 * 3 / 8.0);
  EXPECT_EQ(mixed.plus, 4);
  EXPECT_EQ(mixed.minus, 2);
}

TEST(Wilcoxon, LeavesOutZerosAndSharesRanksOfTies) {
  // Ranks 2, 2, 2 and 4; the variance 4·5·9/24 - (27 - 3)/48 = 7; half a rank for continuity.
  auto const result = wilcoxon({1, 1, -1, 0, 2, 0});
  EXPECT_EQ(result.n, 4);
  EXPECT_EQ(result.plus, 8);
  EXPECT_EQ(result.minus, 2);
  EXPECT_FALSE(result.exact);
  EXPECT_NEAR(result.p, std::erfc(2.5 / std::sqrt(7.0) / std::sqrt(2.0)), 1e-12);
  EXPECT_DOUBLE_EQ(result.rank_biserial, 0.6);
}

TEST(Wilcoxon, NearlyAgreesWithItsApproximationAtTheBorder) {
  std::vector<double> differences;
  for (int i = 1; i <= 50; ++i) differences.push_back(i % 3 == 0 ? -i : i);
  auto const exact = wilcoxon(differences);
  differences.push_back(51);
  differences.push_back(-52);
  auto const normal = wilcoxon(differences);
  EXPECT_TRUE(exact.exact);
  EXPECT_FALSE(normal.exact);
  EXPECT_NEAR(exact.p, normal.p, 0.02);
  EXPECT_GT(exact.p, 0.01);
}

TEST(Wilcoxon, OfNoDifferenceIsOne) {
  auto const result = wilcoxon({0, 0, 0});
  EXPECT_EQ(result.n, 0);
  EXPECT_EQ(result.p, 1);
  EXPECT_EQ(result.rank_biserial, 0);
}

TEST(CohensDz, IsTheMeanInStandardDeviations) {
  EXPECT_DOUBLE_EQ(cohens_dz({1, 2, 3}), 2);
  EXPECT_EQ(cohens_dz({0, 0}), 0);
  EXPECT_TRUE(std::isinf(cohens_dz({2, 2})));
  EXPECT_TRUE(std::isnan(cohens_dz({2})));
}

TEST(Holm, StepsDownAndKeepsTheOrder) {
  EXPECT_THAT(holm({0.01, 0.04, 0.03}), testing::ElementsAre(0.03, 0.06, 0.06));
  EXPECT_THAT(holm({0.5, 0.6}), testing::ElementsAre(1, 1));
  EXPECT_TRUE(holm({}).empty());
}

}  // namespace
}  // namespace onemask::test
