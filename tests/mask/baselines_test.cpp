#include "support/tiny_model.hpp"
#include <onemask/mask/baselines.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <limits>
#include <optional>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

std::int64_t zeros(at::Tensor const& keep) {
  return keep.logical_not().sum().item<std::int64_t>();
}

TEST(RandomMask, ExactlyTheZerosAskedForFromTheSeed) {
  for (std::int64_t count : {0, 1, 17, 59, 60}) {
    auto const keep = random_mask({5, 12}, count, 3);
    EXPECT_EQ(keep.scalar_type(), at::kBool);
    EXPECT_EQ(keep.sizes(), at::IntArrayRef({5, 12}));
    EXPECT_EQ(zeros(keep), count);
    EXPECT_TRUE(at::equal(keep, random_mask({5, 12}, count, 3)));
  }
  EXPECT_FALSE(at::equal(random_mask({5, 12}, 17, 3), random_mask({5, 12}, 17, 4)));
  // More zeros of the same seed are more of the same.
  EXPECT_FALSE(random_mask({5, 12}, 17, 3).logical_not().logical_and(random_mask({5, 12}, 18, 3)).any().item<bool>());
}

TEST(RandomMask, EveryPlaceIsAsLikely) {
  auto counts = at::zeros({4, 5}, at::kDouble);
  for (std::uint64_t seed = 0; seed < 2000; ++seed) counts += random_mask({4, 5}, 4, seed).logical_not().to(at::kDouble);
  // Binomial: 400 each, standard deviation 18.
  EXPECT_GT(counts.min().item<double>(), 310);
  EXPECT_LT(counts.max().item<double>(), 490);
}

TEST(LargestMask, ZerosWhereTheScoreIsLargest) {
  auto const score = at::tensor({3.0F, -9.0F, 5.0F, 4.0F, 0.0F, 5.0F}).view({2, 3});
  auto const keep = largest_mask(score, 3);
  EXPECT_TRUE(at::equal(keep, at::tensor({1, 1, 0, 0, 1, 0}).view({2, 3}).to(at::kBool)));
  EXPECT_EQ(zeros(largest_mask(score, 0)), 0);
  EXPECT_EQ(zeros(largest_mask(score, 6)), 6);
}

TEST(LargestMask, TiesGoToTheLowerIndex) {
  auto const keep = largest_mask(at::ones({100, 30}), 7);
  EXPECT_EQ(zeros(keep), 7);
  EXPECT_FALSE(keep.view({-1}).narrow(0, 0, 7).any().item<bool>());
  auto const some = largest_mask(at::tensor({1.0F, 2.0F, 1.0F, 2.0F, 1.0F}).view({1, 5}), 3);
  EXPECT_TRUE(at::equal(some, at::tensor({0, 0, 1, 0, 1}).view({1, 5}).to(at::kBool)));
}

/// The same by a sorted list of places.
at::Tensor largest_by_sorting(at::Tensor const& score, std::int64_t count) {
  constexpr auto infinite = std::numeric_limits<double>::infinity();
  auto const order = at::argsort(at::nan_to_num(score.reshape({-1}), infinite, infinite, -infinite), /*stable=*/true, 0, true);
  return at::ones({score.numel()}, at::kBool).index_fill_(0, order.narrow(0, 0, count), false).view(score.sizes());
}

TEST(LargestMask, IsTheHeadOfASortedList) {
  constexpr auto infinite = std::numeric_limits<float>::infinity();
  for (std::int64_t const columns : {3, 50, 1200}) {  // few values are sorted in another way than many
    for (auto const type : {at::kFloat, at::kDouble, at::kHalf}) {
      auto score = random_tensor({60, columns}, 7).to(type);
      score.view({-1}).slice(0, 0, std::nullopt, 11).fill_(0.5);  // a tenth is equal
      score.select(0, 1).fill_(-0.0);
      score.select(0, 2).fill_(0.0);
      score[3][0] = std::numeric_limits<float>::quiet_NaN(), score[4][1] = infinite, score[5][2] = -infinite;
      for (double const share : {0.004, 0.05, 0.3, 0.5, 0.7, 0.9, 1.0}) {
        auto const count = static_cast<std::int64_t>(share * static_cast<double>(score.numel()));
        EXPECT_TRUE(at::equal(largest_mask(score, count), largest_by_sorting(score, count))) << columns << " " << share << type;
      }
    }
  }
}

TEST(LargestMask, AMatrixThatIsAView) {
  auto const matrix = random_tensor({6, 4}, 1);
  EXPECT_TRUE(at::equal(largest_mask(matrix.t(), 5), largest_mask(matrix.t().contiguous(), 5)));
}

TEST(MeanDeltaMagnitude, EqualsTheMeanOfDenseMatrices) {
  auto const left = random_tensor({3, 1, 5}, 1), right = random_tensor({3, 1, 7}, 2);
  auto expected = at::zeros({5, 7});
  for (std::int64_t e = 0; e < 3; ++e) expected += at::outer(left[e][0], right[e][0]).abs() / 3;
  EXPECT_LT(largest_difference(mean_delta_magnitude(left, right), expected), 1e-6);
}

TEST(DeltaMagnitude, OfFactorsOfAHigherRank) {
  auto const left = random_tensor({3, 2, 5}, 1), right = random_tensor({3, 2, 7}, 2);
  auto expected = at::zeros({5, 7});
  for (std::int64_t e = 0; e < 3; ++e)
    expected += (at::outer(left[e][0], right[e][0]) + at::outer(left[e][1], right[e][1])).abs() / 3;
  EXPECT_LT(largest_difference(mean_delta_magnitude(left, right), expected), 1e-6);
}

TEST(ZerosShare, CountsWhatIsNotKept) {
  EXPECT_EQ(zeros_share(random_mask({8, 8}, 16, 1)), 0.25);
  EXPECT_EQ(zeros_share(at::ones({3, 3}, at::kBool)), 0);
}

}  // namespace
}  // namespace onemask::test
