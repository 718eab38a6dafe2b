#pragma once

#include "support/test_device.hpp"
#include <onemask/model/device.hpp>

#include <optional>

#include <gtest/gtest.h>

namespace onemask::test {

/// A test on test_accelerator(), with the settings of a run; skipped where there is none.
class AcceleratorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto const found = test_accelerator();
    if (!found) GTEST_SKIP() << "this machine has no GPU";
    device_ = *found;
    set_threads(1);
    set_product_precision("float32");
  }

  c10::Device device() const { return device_; }

 private:
  c10::Device device_{c10::kCPU};
};

}  // namespace onemask::test
