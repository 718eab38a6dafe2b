#include "support/tiny_model.hpp"
#include <onemask/mask/change_sums.hpp>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

TEST(ChangeSumsTest, ByHand) {
  auto const keep = at::tensor({1, 0, 0, 1, 1, 0}).view({2, 3}).to(at::kBool);
  // ΔW = (1 -2)ᵀ (3 0.5 -1): zeros at 0.5, -1 and 2.
  auto const left = at::tensor({1.0F, -2.0F}).view({1, 2}), right = at::tensor({3.0F, 0.5F, -1.0F}).view({1, 3});
  auto const sums = change_sums(keep, left, right);
  EXPECT_DOUBLE_EQ(sums.squares.item<double>(), 5 * 10.25);
  EXPECT_DOUBLE_EQ(sums.squares_at_zeros.item<double>(), 0.25 + 1 + 4);
  EXPECT_DOUBLE_EQ(sums.sizes.item<double>(), 3 * 4.5);
  EXPECT_DOUBLE_EQ(sums.sizes_at_zeros.item<double>(), 0.5 + 1 + 2);
}

TEST(ChangeSumsTest, FactorsGiveWhatTheirMatrixGives) {
  auto const keep = random_tensor({7, 5}, 1) > 0;
  auto const left = random_tensor({3, 7}, 2), right = random_tensor({3, 5}, 3);
  auto const of_factors = change_sums(keep, left, right);
  for (std::int64_t e = 0; e < 3; ++e) {
    auto const of_matrix = change_sums(keep, at::outer(left[e].to(at::kDouble), right[e].to(at::kDouble)));
    for (auto const member :
         {&ChangeSums::squares, &ChangeSums::squares_at_zeros, &ChangeSums::sizes, &ChangeSums::sizes_at_zeros})
      EXPECT_NEAR((of_factors.*member)[e].item<double>(), (of_matrix.*member).item<double>(), 1e-9);
  }
}

}  // namespace
}  // namespace onemask::test
