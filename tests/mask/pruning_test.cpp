#include "support/tiny_model.hpp"
#include <onemask/mask/baselines.hpp>
#include <onemask/mask/layer_spectrum.hpp>
#include <onemask/model/device.hpp>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

at::Tensor matrix_of(std::vector<float> const& values, std::int64_t columns) {
  return at::tensor(at::ArrayRef<float>(values)).view({-1, columns});
}

at::Tensor zeros_of(std::vector<int> const& kept, std::int64_t columns) {
  return at::tensor(at::ArrayRef<int>(kept)).view({-1, columns}).to(at::kBool);
}

TEST(PruningMask, EveryScoreByHand) {
  auto const original = matrix_of({0, 0, 0, 0, 3, 0}, 3), edited = matrix_of({-5, 1, 2, 2, 3, -1}, 3);
  EXPECT_TRUE(at::equal(pruning_mask(BaselineScore::magnitude, original, edited, 2), zeros_of({0, 1, 1, 1, 0, 1}, 3)));
  // The 3 has not changed; of the two 2s the first goes.
  EXPECT_TRUE(at::equal(pruning_mask(BaselineScore::delta_magnitude, original, edited, 2), zeros_of({0, 1, 0, 1, 1, 1}, 3)));
  EXPECT_TRUE(at::equal(pruning_mask(BaselineScore::magnitude_per_row, original, edited, 2), zeros_of({0, 1, 1, 1, 0, 1}, 3)));
  EXPECT_TRUE(at::equal(pruning_mask(BaselineScore::magnitude_rows, original, edited, 3), zeros_of({0, 0, 0, 1, 1, 1}, 3)));
  EXPECT_TRUE(at::equal(pruning_mask(BaselineScore::magnitude_columns, original, edited, 4), zeros_of({0, 0, 1, 0, 0, 1}, 3)));
}

TEST(PruningMask, FilledWithZeroOrTheOriginal) {
  auto const original = matrix_of({1, 2, 3, 4}, 2), edited = matrix_of({5, 6, 7, 8}, 2);
  auto const keep = zeros_of({1, 0, 0, 1}, 2);
  EXPECT_TRUE(at::equal(filled(Fill::zero, keep, original, edited), matrix_of({5, 0, 0, 8}, 2)));
  EXPECT_TRUE(at::equal(filled(Fill::original, keep, original, edited), matrix_of({5, 2, 3, 8}, 2)));
}

TEST(RandomMaskOfAnItem, HasItsOwnZeros) {
  auto const one = random_mask({5, 12}, 17, 3, 8);
  EXPECT_EQ(one.logical_not().sum().item<std::int64_t>(), 17);
  EXPECT_TRUE(at::equal(one, random_mask({5, 12}, 17, 3, 8)));
  EXPECT_FALSE(at::equal(one, random_mask({5, 12}, 17, 3, 9)));
  EXPECT_FALSE(at::equal(one, random_mask({5, 12}, 17, 4, 8)));
}

TEST(SquaredRowNorms, EqualThoseOfTheMatrix) {
  auto const weight = random_tensor({5, 7}, 1), left = random_tensor({3, 2, 5}, 2), right = random_tensor({3, 2, 7}, 3);
  auto const rows = squared_row_norms(weight, left, right), columns = squared_row_norms(weight.t(), right, left);
  for (std::int64_t e = 0; e < 3; ++e) {
    auto const edited = (weight + at::matmul(left[e].t(), right[e])).to(at::kDouble).square();
    EXPECT_LT(largest_difference(rows[e], edited.sum(1)), 1e-4);
    EXPECT_LT(largest_difference(columns[e], edited.sum(0)), 1e-4);
  }
}

/// The mask that the counts stand for.
at::Tensor mask_of(LargestProducts const& largest) {
  auto keep = at::ones({largest.counts.size(0), largest.order.size(0)}, at::kBool);
  for (std::int64_t row = 0; row < keep.size(0); ++row)
    keep[row].index_fill_(0, largest.order.narrow(0, 0, largest.counts[row].item<std::int64_t>()), false);
  return keep;
}

TEST(LargestProducts, AreThoseOfTheMatrix) {
  auto const left = random_tensor({9}, 1), right = random_tensor({14}, 2);
  auto const products = at::outer(left.to(at::kDouble), right.to(at::kDouble)).abs();
  for (std::int64_t count : {0, 1, 5, 63, 125, 126})
    EXPECT_TRUE(at::equal(mask_of(largest_products(left, right, count)), largest_mask(products, count))) << count;
}

TEST(LargestProducts, TiesGoToTheLowerIndex) {
  auto const left = at::tensor({1.0F, -2.0F, 1.0F}), right = at::tensor({2.0F, 4.0F, -2.0F, 1.0F});
  // |products|: 2 4 2 1, 4 8 4 2, 2 4 2 1
  auto const products = at::outer(left, right).abs();
  for (std::int64_t count = 0; count <= 12; ++count)
    EXPECT_TRUE(at::equal(mask_of(largest_products(left, right, count)), largest_mask(products, count))) << count;
}

TEST(LargestProducts, OfFactorsThatAreZero) {
  auto const largest = largest_products(at::zeros({3}), at::ones({4}), 5);
  EXPECT_EQ(largest.counts.sum().item<std::int64_t>(), 5);
}

/// The largest part of the projector on the leading singular vectors that is not that of a dense decomposition.
double error_of_projector(at::Tensor const& weight, at::Tensor const& left, at::Tensor const& right, std::int64_t count) {
  auto const top = LayerSpectrum(weight).top(left, right, count);
  double worst = 0;
  for (std::int64_t e = 0; e < left.size(0); ++e) {
    auto const edited = (weight + at::matmul(left[e].t(), right[e])).to(at::kDouble);
    auto const exact = std::get<0>(at::linalg_svd(edited, false)).narrow(1, 0, count);
    worst = std::max(worst, largest_difference(at::matmul(top[e], top[e].t()), at::matmul(exact, exact.t())));
    EXPECT_LT(largest_difference(at::matmul(top[e].t(), top[e]), at::eye(count, at::kDouble)), 1e-10);
  }
  return worst;
}

TEST(LayerSpectrum, EqualsADenseDecomposition) {
  set_threads(1);
  for (auto const& [out, in, rank, tolerance] : std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t, double>>{
           {10, 24, 1, 1e-5}, {24, 10, 1, 1e-5}, {160, 300, 1, 1e-4}, {160, 300, 3, 1e-4}}) {
    auto const weight = random_tensor({out, in}, 1);
    auto const left = random_tensor({2, rank, out}, 2), right = random_tensor({2, rank, in}, 3, 0.5);
    for (std::int64_t count : {1, 3, 8})
      EXPECT_LT(error_of_projector(weight, left, right, count), tolerance) << out << " " << count;
  }
}

TEST(LayerSpectrum, FewerComponentsAreTheFirstOfMore) {
  auto const weight = random_tensor({90, 130}, 1);
  auto const left = random_tensor({1, 1, 90}, 2), right = random_tensor({1, 1, 130}, 3);
  LayerSpectrum const spectrum(weight);
  // Products of other widths round their last bits otherwise on some processors.
  EXPECT_LT(largest_difference(spectrum.top(left, right, 3), spectrum.top(left, right, 9).narrow(2, 0, 3)), 1e-12);
  auto const own = spectrum.top(3), changed = spectrum.top(at::zeros({1, 1, 90}), right, 3)[0];
  EXPECT_LT(largest_difference(at::matmul(own, own.t()), at::matmul(changed, changed.t())), 1e-8);
}

}  // namespace
}  // namespace onemask::test
