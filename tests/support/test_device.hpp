#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace onemask::test {

/// Where tests that run on several devices run: on the one that ONEMASK_TEST_DEVICE names ("pretend:1"), or on the CPU.
c10::Device test_device();

/// In which type they compute: the one that ONEMASK_TEST_DTYPE names ("float32", "bfloat16", "float16"), or float32.
c10::ScalarType test_dtype();

}  // namespace onemask::test
