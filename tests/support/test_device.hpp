#pragma once

#include <optional>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace onemask::test {

/// Where tests that run on several devices run: on the one that ONEMASK_TEST_DEVICE names ("pretend:1", "cuda"), or on the CPU.
/// Throws UserError where there is no such device.
c10::Device test_device();

/// In which type they compute: the one that ONEMASK_TEST_DTYPE names ("float32", "bfloat16", "float16"), or float32.
c10::ScalarType test_dtype();

/// For tests that compare an accelerator with the CPU: test_device() unless it is the CPU, else the first GPU, if there is one.
std::optional<c10::Device> test_accelerator();

}  // namespace onemask::test
