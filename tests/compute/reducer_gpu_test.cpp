#include "compute/nccl_reducer.hpp"
#include "support/world.hpp"
#include <onemask/compute/reducer.hpp>
#include <onemask/gpu/gpus.hpp>

#include <stdexcept>

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

// NCCL where there is but one GPU.
TEST(GpuReducer, SumsThroughNcclWithOneRank) {
  if (visible_gpus() == 0) GTEST_SKIP() << "this machine has no GPU";
  if (nccl() == nullptr) GTEST_SKIP() << "this build has no NCCL";
  auto const device = at::Device(at::kCUDA, 0);
  NcclReducer reducer(Communicator(), *nccl(), device);
  EXPECT_EQ(reducer.transport(), "NCCL");
  auto const numbers = at::arange(3'000'000, at::device(device).dtype(at::kLong)), empty = numbers.slice(0, 0, 0);
  auto const expected = numbers.clone();
  for (int round = 0; round < 2; ++round) {
    reducer.add(numbers);
    reducer.add(empty);
    reducer.finalize();
    EXPECT_TRUE(numbers.equal(expected));
  }
  EXPECT_THROW(reducer.add(at::zeros({3}, at::kLong)), std::invalid_argument);
  reducer.add(numbers);  // and ends with a sum under way
}

TEST(GpuReducer, RefusesTensorsOfAnotherGpu) {
  if (visible_gpus() == 0) GTEST_SKIP() << "this machine has no GPU";
  auto const reducer = make_reducer(Communicator(), at::Device(at::kCUDA, 1));
  EXPECT_THROW(reducer->add(at::zeros({3}, at::device(at::Device(at::kCUDA, 0)).dtype(at::kLong))), std::invalid_argument);
}

}  // namespace
}  // namespace onemask
