#include <onemask/comm/fixed_point.hpp>
#include <onemask/core/error.hpp>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include <ATen/ATen.h>

namespace onemask {

namespace {

void expect_fraction_bits(int fraction_bits) {
  if (fraction_bits < 0 || fraction_bits > 51) {
    throw std::invalid_argument("fixed point takes 0 to 51 fraction bits, not " + std::to_string(fraction_bits));
  }
}

}  // namespace

at::Tensor to_fixed_point(at::Tensor const& values, int fraction_bits) {
  expect_fraction_bits(fraction_bits);
  if (values.scalar_type() != at::kFloat && values.scalar_type() != at::kDouble) {
    throw std::invalid_argument("fixed point is made from float32 or float64 values");
  }
  if (values.numel() == 0) return values.to(at::kLong);

  double const limit = std::ldexp(1.0, 52 - fraction_bits);
  double const largest = values.abs().max().to(at::kDouble).item<double>();  // NaN when any value is
  if (!(largest < limit)) {
    std::ostringstream message;
    message << "A gradient cannot be summed exactly: its largest magnitude is " << largest << ", and fixed point with "
            << fraction_bits << " fraction bits ends at " << limit << ". "
            << (std::isfinite(largest) ? "Use fewer fraction bits, or scale the loss down."
                                       : "The loss has overflowed; use a smaller learning rate.");
    throw RunError(message.str());
  }
  return values.to(at::kDouble).mul(std::ldexp(1.0, fraction_bits)).round().to(at::kLong);
}

at::Tensor from_fixed_point(at::Tensor const& integers, int fraction_bits, at::ScalarType type) {
  expect_fraction_bits(fraction_bits);
  return integers.to(at::kDouble).mul(std::ldexp(1.0, -fraction_bits)).to(type);
}

}  // namespace onemask
