#include "support/world.hpp"
#include <onemask/compute/reducer.hpp>
#include <onemask/gpu/gpus.hpp>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

// The plain reducer of CPUs is the oracle for the one of GPUs.
TEST(GpuReducer, GivesTheSumsOfTheCpuReducer) {
  if (visible_gpus() == 0) GTEST_SKIP() << "this machine has no GPU";
  auto const comm = test::world();
  auto const device = at::Device(at::kCUDA, 0);
  auto const mine = at::arange(3'000'000, at::kLong) * (comm.rank() + 1) * ((std::int64_t{1} << 30) + 1);
  auto const expected = mine.clone(), got = mine.to(device);
  auto const cpu = make_reducer(comm, at::kCPU), gpu = make_reducer(comm, device);
  for (int round = 0; round < 2; ++round) {
    cpu->add(expected);
    cpu->finalize();
    gpu->add(got);
    gpu->finalize();
    EXPECT_TRUE(got.to(at::kCPU).equal(expected));
  }
}

}  // namespace
}  // namespace onemask
