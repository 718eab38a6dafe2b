#include <onemask/compute/fixed_point.hpp>
#include <onemask/core/error.hpp>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

at::Tensor numbers(std::vector<double> const& values) {
  return at::tensor(values, at::kDouble);
}

std::string failure_of(double value, int fraction_bits) {
  try {
    to_fixed_point(numbers({0.5, value}), fraction_bits);
  } catch (RunError const& error) {
    return error.what();
  }
  return "";
}

TEST(FixedPoint, RoundsToTheNearestTiesToEven) {
  auto const integers = to_fixed_point(numbers({0, 1, -1, 0.125, 0.374, 0.376, 0.625, -0.125, -0.375}), 2);
  EXPECT_EQ(integers.scalar_type(), at::kLong);
  EXPECT_TRUE(integers.equal(at::tensor(std::vector<std::int64_t>{0, 4, -4, 0, 1, 2, 2, 0, -2}, at::kLong)));
}

TEST(FixedPoint, ComesBackExactlyWhenTheBitsSuffice) {
  auto const values = at::arange(-500, 500, at::kFloat).div(1024).view({10, 100});
  auto const back = from_fixed_point(to_fixed_point(values, 20), 20, at::kFloat);
  EXPECT_EQ(back.scalar_type(), at::kFloat);
  EXPECT_TRUE(back.equal(values));
}

TEST(FixedPoint, ComesBackWithinHalfAStep) {
  auto const values = at::arange(1, 1000, at::kDouble).mul(0.7371).sin();
  auto const error = (from_fixed_point(to_fixed_point(values, 30), 30, at::kDouble) - values).abs().max().item<double>();
  EXPECT_LE(error, std::ldexp(0.5, -30));
  EXPECT_GT(error, 0);
}

TEST(FixedPoint, EndsBelowTwoToThe52) {
  double const limit = std::ldexp(1.0, 12);  // 52 - 40
  EXPECT_EQ(failure_of(std::nextafter(limit, 0), 40), "");
  EXPECT_THAT(failure_of(limit, 40), testing::HasSubstr("largest magnitude is 4096"));
  EXPECT_THAT(failure_of(-1e30, 40), testing::HasSubstr("1e+30"));
}

TEST(FixedPoint, RefusesWhatIsNotFinite) {
  EXPECT_THAT(failure_of(std::numeric_limits<double>::quiet_NaN(), 40), testing::HasSubstr("nan"));
  EXPECT_THAT(failure_of(std::numeric_limits<double>::infinity(), 40), testing::HasSubstr("inf"));
  EXPECT_THAT(failure_of(-std::numeric_limits<double>::infinity(), 0), testing::HasSubstr("inf"));
}

TEST(FixedPoint, TakesEmptyTensorsAndRefusesOtherTypes) {
  EXPECT_EQ(to_fixed_point(at::empty({0, 4}, at::kFloat), 40).numel(), 0);
  EXPECT_THROW(to_fixed_point(at::zeros({2}, at::kLong), 40), std::invalid_argument);
  EXPECT_THROW(to_fixed_point(at::zeros({2}), 52), std::invalid_argument);
}

at::Tensor sums(std::vector<std::int64_t> const& values) {
  return at::tensor(values, at::kLong);
}

TEST(FixedPointSum, RoundsToTheNearestTiesToEven) {
  std::vector<float> const values{0, 1, -1, 0.125, 0.374, 0.376, 0.625, -0.125, -0.375};
  auto const sum = at::full({9}, 100, at::kLong);
  add_fixed_point(at::tensor(values), 2, sum);
  EXPECT_TRUE(sum.equal(sums({100, 104, 96, 100, 101, 102, 102, 100, 98})));
  add_fixed_point(at::tensor(values), 2, sum);
  EXPECT_TRUE(sum.equal(sums({100, 108, 92, 100, 102, 104, 104, 100, 96})));
}

TEST(FixedPointSum, AddsWhatToFixedPointGives) {
  auto const values = at::arange(-700, 700, at::kFloat).mul(0.7371).sin();
  for (auto const type : {at::kFloat, at::kBFloat16}) {
    auto const stored = values.to(type);
    auto const sum = at::zeros({1400}, at::kLong);
    add_fixed_point(stored, 42, sum);
    EXPECT_TRUE(sum.equal(to_fixed_point(stored.to(at::kFloat), 42)));
  }
}

TEST(FixedPointSum, EndsBelowTwoToThe51) {
  auto const failure = [](float value, int bits) -> std::string {
    auto const sum = at::full({2}, 7, at::kLong);
    try {
      add_fixed_point(at::tensor(std::vector<float>{0.5, value}), bits, sum);
    } catch (RunError const& error) {
      EXPECT_TRUE(sum.eq(7).all().item<bool>()) << "something was added before";
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(failure(std::nextafter(512.0F, 0.0F), 42), "");
  EXPECT_EQ(failure(std::nextafter(-512.0F, 0.0F), 42), "");
  EXPECT_THAT(failure(512, 42), testing::HasSubstr("largest magnitude is 512"));
  EXPECT_THAT(failure(-512, 42), testing::HasSubstr("42 fraction bits"));
  EXPECT_THAT(failure(std::numeric_limits<float>::quiet_NaN(), 0), testing::HasSubstr("nan"));
  EXPECT_THAT(failure(-std::numeric_limits<float>::infinity(), 0), testing::HasSubstr("inf"));
}

TEST(FixedPointSum, RefusesOtherShapesAndTypes) {
  auto const three = at::zeros({3}, at::kLong);
  EXPECT_THROW(add_fixed_point(at::zeros({2}), 40, three), std::invalid_argument);
  EXPECT_THROW(add_fixed_point(at::zeros({3}), 40, at::zeros({3})), std::invalid_argument);
  EXPECT_THROW(add_fixed_point(at::zeros({3}, at::kDouble), 40, three), std::invalid_argument);
  EXPECT_THROW(add_fixed_point(at::zeros({3}), 52, three), std::invalid_argument);
  EXPECT_THROW(add_fixed_point(at::zeros({6}).slice(0, 0, 6, 2), 40, three), std::invalid_argument);
  EXPECT_THROW(read_fixed_point(three, 40, at::zeros({2})), std::invalid_argument);
  EXPECT_THROW(read_fixed_point(three, -1, at::zeros({3})), std::invalid_argument);
}

TEST(FixedPointSum, IsReadAsFractions) {
  auto const values = at::full({4}, 9, at::kFloat);
  read_fixed_point(sums({0, 1, -6, (1LL << 52) + 1}), 2, values);
  EXPECT_TRUE(values.equal(at::tensor(std::vector<float>{0, 0.25, -1.5, 0x1p50F})));
}

}  // namespace
}  // namespace onemask
