#pragma once

#include "support/pretend_device.hpp"

#include <cstring>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace onemask::test {

/// A test on two pretend devices, whose counts are zero and whose memory is not limited.
class PretendDeviceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { install_pretend_devices(2); }
  void SetUp() override {
    at::manual_seed(1);
    reset_pretend_counts();
  }
  void TearDown() override { limit_pretend_memory(first, 0); }

  /// What the first device is asked for.
  template <class Work>
  PretendCounts counts_of(Work const& work) const {
    reset_pretend_counts();
    work();
    return pretend_counts(first);
  }

  c10::Device const first = pretend_device(0), second = pretend_device(1);
};

/// Bit by bit, NaN too.
inline void expect_same_bits(at::Tensor const& a, at::Tensor const& b) {
  auto const x = a.cpu().contiguous(), y = b.cpu().contiguous();
  ASSERT_EQ(x.scalar_type(), y.scalar_type());
  ASSERT_EQ(x.sizes(), y.sizes());
  EXPECT_EQ(std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()), 0) << x << "\nis not\n" << y;
}

}  // namespace onemask::test
