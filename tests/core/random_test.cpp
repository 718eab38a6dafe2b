#include <onemask/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

TEST(RandomStream, IsSplitMix64) {  // the first numbers of the published generator from the state 0
  RandomStream numbers({});
  EXPECT_EQ(numbers.bits(), 0xe220a8397b1dcdafU);
  EXPECT_EQ(numbers.bits(), 0x6e789e6aa1b965f4U);
  EXPECT_EQ(numbers.bits(), 0x06c45d188009454fU);
}

TEST(RandomStream, DependsOnEveryPartOfTheKeyAndOnItsOrder) {
  std::array<std::uint64_t, 6> const first{RandomStream({1, 2}).bits(), RandomStream({2, 1}).bits(),
                                           RandomStream({1}).bits(),    RandomStream({1, 2, 0}).bits(),
                                           RandomStream({1, 3}).bits(), RandomStream({0, 1, 2}).bits()};
  for (std::size_t i = 0; i < first.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(first[i], first[j]) << i << " and " << j;
  }
}

TEST(RandomStream, GivesTheSamePermutationForEver) {  // stored results depend on it
  EXPECT_THAT(RandomStream({7, stream::batch_order, 0}).permutation(10), testing::ElementsAre(0, 7, 2, 9, 3, 1, 5, 8, 4, 6));
  EXPECT_EQ(RandomStream({7, stream::batch_order, 3}).permutation(99), RandomStream({7, stream::batch_order, 3}).permutation(99));
  EXPECT_NE(RandomStream({7, stream::batch_order, 3}).permutation(99), RandomStream({7, stream::batch_order, 4}).permutation(99));
}

TEST(RandomStream, PermutesEveryElementOnce) {
  for (std::size_t const n : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{1000}}) {
    std::vector<std::size_t> order = RandomStream({n}).permutation(n);
    std::vector<std::size_t> sorted(n);
    std::iota(sorted.begin(), sorted.end(), std::size_t{0});
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, sorted);
  }
}

TEST(RandomStream, GivesEachOfTheSixOrdersOfThreeEquallyOften) {
  std::array<int, 27> count{};
  for (std::uint64_t i = 0; i < 60000; ++i) {
    std::vector<std::size_t> const order = RandomStream({i}).permutation(3);
    ++count[order[0] * 9 + order[1] * 3 + order[2]];
  }
  for (std::size_t const order : {5, 7, 11, 15, 19, 21}) EXPECT_NEAR(count[order], 10000, 500) << order;  // 5 standard deviations
}

TEST(RandomStream, BelowIsWithoutBias) {
  // Of 2^64 values, 3 * 2^62 are a whole multiple: a plain remainder would give the lowest third twice as often as the others.
  std::uint64_t const quarter = std::uint64_t{1} << 62;
  RandomStream numbers({1});
  std::array<int, 3> count{};
  for (int i = 0; i < 30000; ++i) {
    std::uint64_t const drawn = numbers.below(3 * quarter);
    ASSERT_LT(drawn, 3 * quarter);
    ++count[drawn / quarter];
  }
  for (int const third : count) EXPECT_NEAR(third, 10000, 450);
  EXPECT_EQ(numbers.below(1), 0U);
}

TEST(RandomStream, UniformFillsTheUnitInterval) {
  RandomStream numbers({2});
  std::array<int, 10> count{};
  for (int i = 0; i < 100000; ++i) {
    double const drawn = numbers.uniform();
    ASSERT_GE(drawn, 0.0);
    ASSERT_LT(drawn, 1.0);
    ++count[static_cast<std::size_t>(drawn * 10)];
  }
  for (int const tenth : count) EXPECT_NEAR(tenth, 10000, 500);
}

TEST(RandomStream, NormalHasTheMomentsOfTheNormalDistribution) {
  RandomStream numbers({3});
  int const n = 400000;
  std::array<double, 5> moment{};
  int within_one = 0;
  for (int i = 0; i < n; ++i) {
    double const drawn = numbers.normal();
    ASSERT_TRUE(std::isfinite(drawn));
    for (std::size_t k = 1; k < moment.size(); ++k) moment[k] += std::pow(drawn, static_cast<double>(k)) / n;
    within_one += std::abs(drawn) < 1 ? 1 : 0;
  }
  EXPECT_NEAR(moment[1], 0, 0.01);
  EXPECT_NEAR(moment[2], 1, 0.015);
  EXPECT_NEAR(moment[3], 0, 0.04);
  EXPECT_NEAR(moment[4], 3, 0.1);
  EXPECT_NEAR(static_cast<double>(within_one) / n, 0.6827, 0.004);
}

}  // namespace
}  // namespace onemask
