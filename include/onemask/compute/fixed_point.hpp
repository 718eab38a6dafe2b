#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace onemask {

/// values · 2^fraction_bits, rounded to the nearest integer (ties to even): int64 of the same shape and device. Sums of such
/// integers are exact in any order. `values` are float32 or float64; 0 <= fraction_bits <= 51.
///
/// The integers must stay below 2^52 in magnitude, so that a sum of up to 2047 of them fits and is known not to wrap around.
/// Throws RunError naming the largest magnitude when a value is beyond that or not finite.
at::Tensor to_fixed_point(at::Tensor const& values, int fraction_bits);

/// sum += to_fixed_point(values) in one pass over the memory, on the CPU: `values` float32 or bfloat16, `sum` int64, both
/// contiguous and of as many numbers. The integers must stay below 2^51. Throws as to_fixed_point does, before anything is added.
void add_fixed_point(at::Tensor const& values, int fraction_bits, at::Tensor const& sum);

/// integers / 2^fraction_bits in the floating-point type `type`.
at::Tensor from_fixed_point(at::Tensor const& integers, int fraction_bits, at::ScalarType type);

/// The same into `values`, float32, in one pass over the memory, on the CPU; both contiguous and of as many numbers.
void read_fixed_point(at::Tensor const& integers, int fraction_bits, at::Tensor const& values);

}  // namespace onemask
