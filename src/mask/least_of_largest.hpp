#pragma once

#include <cstdint>

#include <ATen/ATen.h>

namespace onemask {

/// The least of the `count` largest values of each row, [rows, 1]. values [rows, n], all of them numbers; 0 < count <= n.
at::Tensor least_of_largest(at::Tensor const& values, std::int64_t count);

}  // namespace onemask
