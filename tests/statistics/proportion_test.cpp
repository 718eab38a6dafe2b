#include <onemask/core/error.hpp>
#include <onemask/statistics/proportion.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

TEST(ClopperPearson, OfNoneAndOfAll) {
  // (1 - p)^n = 0.025 where none of n succeeds
  auto const none = clopper_pearson(0, 100);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 1 - std::pow(0.025, 0.01), 1e-12);
  auto const all = clopper_pearson(100, 100);
  EXPECT_NEAR(all.low, std::pow(0.025, 0.01), 1e-12);
  EXPECT_EQ(all.high, 1);
}

TEST(ClopperPearson, TailsHoldAQuarterOfATenth) {
  // By the definition: 8 or more of 10 with probability low, 8 or fewer with probability high, each happen with 0.025.
  auto const interval = clopper_pearson(8, 10);
  auto const chance = [](double p, int k) {
    return std::tgamma(11) / std::tgamma(k + 1) / std::tgamma(11 - k) * std::pow(p, k) * std::pow(1 - p, 10 - k);
  };
  double above = 0, below = 1;
  for (int k = 8; k <= 10; ++k) above += chance(interval.low, k);
  for (int k = 9; k <= 10; ++k) below -= chance(interval.high, k);
  EXPECT_NEAR(above, 0.025, 1e-12);
  EXPECT_NEAR(below, 0.025, 1e-12);
}

TEST(ClopperPearson, RefusesWhatIsNoShare) {
  EXPECT_THROW(clopper_pearson(0, 0), UserError);
  EXPECT_THROW(clopper_pearson(5, 4), UserError);
  EXPECT_THROW(clopper_pearson(-1, 4), UserError);
}

TEST(IntervalOfShare, IsExactWhereResamplesAreAlike) {
  EXPECT_EQ(interval_of_share(0, {0, 0}, 30).high, clopper_pearson(0, 30).high);
  EXPECT_EQ(interval_of_share(1, {1, 1}, 30).low, clopper_pearson(30, 30).low);
  EXPECT_EQ(interval_of_share(0.9, {0.8, 1}, 30).low, 0.8);
  EXPECT_TRUE(std::isnan(interval_of_share(std::nan(""), {std::nan(""), std::nan("")}, 30).low));
}

TEST(PairedShareDifference, HasAWidthWhereAllAgree) {
  // Wilson's interval of 10 in 10 ends at n / (n + z²) = 0.72246; the correlation is 0 where a margin is.
  auto const interval = paired_share_difference({10, 0, 0, 0});
  EXPECT_NEAR(interval.low, -(1 - 10 / (10 + 3.841458821)), 1e-9);
  EXPECT_NEAR(interval.high, 1 - 10 / (10 + 3.841458821), 1e-9);
}

TEST(PairedShareDifference, OfThePublishedExample) {
  // Newcombe 1998, table II: 36, 12, 2 and 0 of 50.
  auto const interval = paired_share_difference({36, 12, 2, 0});
  EXPECT_NEAR(interval.low, 0.0569, 5e-5);
  EXPECT_NEAR(interval.high, 0.3404, 5e-5);
}

TEST(PairedShareDifference, TurnsItsSignWithTheOrder) {
  auto const forward = paired_share_difference({36, 12, 2, 0}), backward = paired_share_difference({36, 2, 12, 0});
  EXPECT_NEAR(forward.low, -backward.high, 1e-12);
  EXPECT_NEAR(forward.high, -backward.low, 1e-12);
}

TEST(PairedShareDifference, IsTheNarrowerTheMoreBothAgree) {
  // The same shares, 0.6 and 0.5 of 100, which agree as far as they can and as little as they can.
  auto const alike = paired_share_difference({50, 10, 0, 40}), unlike = paired_share_difference({10, 50, 40, 0});
  EXPECT_GT(alike.low, 0);
  EXPECT_LT(unlike.low, 0);
  EXPECT_LT(alike.high, unlike.high);
}

}  // namespace
}  // namespace onemask::test
