#pragma once

#include <optional>

#include <c10/core/Device.h>

namespace onemask::test {

/// Where tests that run on several devices run: on the one that ONEMASK_TEST_DEVICE names ("pretend:1", "cuda"), or on the CPU.
/// Throws UserError where there is no such device.
c10::Device test_device();

/// For tests that compare an accelerator with the CPU: test_device() unless it is the CPU, else the first GPU, if there is one.
std::optional<c10::Device> test_accelerator();

}  // namespace onemask::test
