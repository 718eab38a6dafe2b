#include <onemask/comm/fixed_point.hpp>
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

}  // namespace
}  // namespace onemask
