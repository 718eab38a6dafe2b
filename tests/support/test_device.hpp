#pragma once

#include <c10/core/Device.h>

namespace onemask::test {

/// Where tests that run on several devices run: on the one that ONEMASK_TEST_DEVICE names ("pretend:1"), or on the CPU.
c10::Device test_device();

}  // namespace onemask::test
