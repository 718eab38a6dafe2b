#include <onemask/compute/fixed_point.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <stdexcept>

#include <ATen/ATen.h>
#include <fmt/core.h>

namespace onemask {

namespace {

void expect_fraction_bits(int fraction_bits) {
  if (fraction_bits < 0 || fraction_bits > 51) {
    throw std::invalid_argument(fmt::format("fixed point takes 0 to 51 fraction bits, not {}", fraction_bits));
  }
}

/// Of what is read or written number by number.
void expect_on_host(at::Tensor const& numbers) {
  invariant(numbers.is_cpu(), "numbers in fixed point are read by the host, but lie on ", numbers.device().str());
}

[[noreturn]] void refuse(double largest, double limit, int fraction_bits) {
  std::ostringstream message;
  message << "A gradient cannot be summed exactly: its largest magnitude is " << largest << ", but fixed point with "
          << fraction_bits << " fraction bits holds only magnitudes below " << limit << ". "
          << (std::isfinite(largest) ? "Use fewer fraction bits, or scale the loss down."
                                     : "The loss has overflowed; use a smaller learning rate.");
  throw RunError(message.str());
}

float as_float(float value) {
  return value;
}

float as_float(c10::BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.x) << 16);
}

/// The largest magnitude, infinities and then NaN above all others: the bits of positive floats are ordered as they are.
template <typename T>
float largest_of(T const* values, std::int64_t count) {
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<std::int32_t>(as_float(values[i])) & 0x7fffffff);
  }
  return std::bit_cast<float>(largest);
}

/// Adding 1.5 * 2^52 to a double below 2^51 leaves it, rounded to an integer, in the low bits: SIMD has no other conversion.
template <typename T>
void add_all(T const* values, std::int64_t count, int fraction_bits, std::int64_t* sums) {
  constexpr double shift = 0x1.8p52;
  double const scale = std::ldexp(1.0, fraction_bits);
  for (std::int64_t i = 0; i < count; ++i) {
    double const rounded = static_cast<double>(as_float(values[i])) * scale + shift;
    sums[i] += std::bit_cast<std::int64_t>(rounded) - std::bit_cast<std::int64_t>(shift);
  }
}

template <typename T>
void check_and_add(at::Tensor const& values, int fraction_bits, at::Tensor const& sum) {
  auto const* const data = values.const_data_ptr<T>();
  double const limit = std::ldexp(1.0, 51 - fraction_bits), largest = largest_of(data, values.numel());
  if (!(largest < limit)) refuse(largest, limit, fraction_bits);
  add_all(data, values.numel(), fraction_bits, sum.mutable_data_ptr<std::int64_t>());
}

}  // namespace

void add_fixed_point(at::Tensor const& values, int fraction_bits, at::Tensor const& sum) {
  expect_fraction_bits(fraction_bits);
  expect_on_host(values);
  expect_on_host(sum);
  if (!values.is_contiguous() || !sum.is_contiguous() || values.numel() != sum.numel() || sum.scalar_type() != at::kLong) {
    throw std::invalid_argument("fixed point is added to as many contiguous int64 numbers");
  }
  if (values.scalar_type() == at::kFloat) return check_and_add<float>(values, fraction_bits, sum);
  if (values.scalar_type() == at::kBFloat16) return check_and_add<c10::BFloat16>(values, fraction_bits, sum);
  throw std::invalid_argument("fixed point is added from float32 or bfloat16 values");
}

at::Tensor to_fixed_point(at::Tensor const& values, int fraction_bits) {
  expect_fraction_bits(fraction_bits);
  if (values.scalar_type() != at::kFloat && values.scalar_type() != at::kDouble) {
    throw std::invalid_argument("fixed point is made from float32 or float64 values");
  }
  if (values.numel() == 0) return values.to(at::kLong);

  double const limit = std::ldexp(1.0, 52 - fraction_bits);
  double const largest = values.abs().max().to(at::kDouble).item<double>();  // NaN when any value is
  if (!(largest < limit)) refuse(largest, limit, fraction_bits);
  return values.to(at::kDouble).mul(std::ldexp(1.0, fraction_bits)).round().to(at::kLong);
}

at::Tensor from_fixed_point(at::Tensor const& integers, int fraction_bits, at::ScalarType type) {
  expect_fraction_bits(fraction_bits);
  invariant(integers.scalar_type() == at::kLong, "a sum in fixed point is read from numbers that are no integers");
  return integers.to(at::kDouble).mul(std::ldexp(1.0, -fraction_bits)).to(type);
}

void read_fixed_point(at::Tensor const& integers, int fraction_bits, at::Tensor const& values) {
  expect_fraction_bits(fraction_bits);
  expect_on_host(integers);
  expect_on_host(values);
  if (!values.is_contiguous() || !integers.is_contiguous() || values.numel() != integers.numel()) {
    throw std::invalid_argument("fixed point is read into as many contiguous numbers");
  }
  auto const* const from = integers.const_data_ptr<std::int64_t>();
  auto* const to = values.mutable_data_ptr<float>();
  double const step = std::ldexp(1.0, -fraction_bits);
  for (std::int64_t i = 0; i < values.numel(); ++i) to[i] = static_cast<float>(static_cast<double>(from[i]) * step);
}

}  // namespace onemask
