#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace onemask {

/// Throws std::invalid_argument unless a reducer on `device` can add up `values`.
void expect_summable(at::Tensor const& values, c10::Device device);

}  // namespace onemask
