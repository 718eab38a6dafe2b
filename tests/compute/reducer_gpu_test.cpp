#include "compute/nccl_reducer.hpp"
#include "support/world.hpp"
#include <onemask/compute/reducer.hpp>
#include <onemask/gpu/gpus.hpp>

#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

/// This rank's, and nobody else's where there are enough.
c10::Device own_gpu() {
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(test::world().rank() % visible_gpus())};
}

/// Integers of this rank as gradients are, the largest and the smallest among them.
at::Tensor gradient_on_cpu(std::int64_t size) {
  auto const rank = test::world().rank();
  auto const numbers = ((at::arange(size, at::kLong) + 1'000'000 * rank) * 6364136223846793005).bitwise_right_shift(11);
  numbers[0] = (std::int64_t{1} << 52) - 1;
  numbers[1] = -(std::int64_t{1} << 52);
  return numbers;
}

/// Sums that begin one after the other and end together, twice, bit by bit as on the CPU.
void expect_sums_of_cpu(GradientReducer& gpu, c10::Device device) {
  auto const cpu = make_reducer(test::world(), c10::kCPU);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::pair<at::Tensor, at::Tensor>> pairs;
    for (std::int64_t const size : {2, 1001, 65'537, 30'000'000}) {
      auto const mine = gradient_on_cpu(size + round);
      pairs.emplace_back(mine.to(device), mine);
    }
    auto const empty = pairs.front().first.slice(0, 0, 0);
    gpu.add(empty);
    for (auto const& [got, expected] : pairs) {
      gpu.add(got);
      cpu->add(expected);
    }
    gpu.finalize();
    cpu->finalize();
    for (auto const& [got, expected] : pairs) EXPECT_TRUE(got.cpu().equal(expected)) << got.numel() << " numbers";
  }
}

// The plain reducer of CPUs is the oracle for the one of GPUs.
TEST(GpuReducer, GivesTheSumsOfTheCpuReducer) {
  if (visible_gpus() == 0) GTEST_SKIP() << "this machine has no GPU";
  auto const ranks = test::world().size();
  auto const device = own_gpu();
  auto const reducer = make_reducer(test::world(), device);
  auto const enough = ranks <= visible_gpus() && nccl(c10::kCUDA) != nullptr;
  EXPECT_EQ(reducer->transport(), ranks == 1 ? "one rank" : enough ? "NCCL" : "MPI");
  expect_sums_of_cpu(*reducer, device);
}

// NCCL where there is but one GPU, which make_reducer does not ask for sums.
TEST(GpuReducer, SumsThroughNcclWithOneRank) {
  if (test::world().size() > 1) GTEST_SKIP() << "one rank is enough";
  if (visible_gpus() == 0) GTEST_SKIP() << "this machine has no GPU";
  if (nccl(c10::kCUDA) == nullptr) GTEST_SKIP() << "this build has no NCCL";
  auto const device = own_gpu();
  NcclReducer reducer(test::world(), *nccl(c10::kCUDA), device);
  EXPECT_EQ(reducer.transport(), "NCCL");
  expect_sums_of_cpu(reducer, device);
  EXPECT_THROW(reducer.add(at::zeros({3}, at::kLong)), std::invalid_argument);
  reducer.add(at::ones({3}, at::device(device).dtype(at::kLong)));  // and ends with a sum under way
}

// What is summed is still to be computed when its sum begins, and is read at once when the sum has ended.
TEST(GpuReducer, SumsWhatTheGpuIsStillToCompute) {
  if (test::world().size() > 1) GTEST_SKIP() << "one rank is enough";
  if (visible_gpus() == 0) GTEST_SKIP() << "this machine has no GPU";
  if (nccl(c10::kCUDA) == nullptr) GTEST_SKIP() << "this build has no NCCL";
  auto const device = own_gpu();
  NcclReducer reducer(test::world(), *nccl(c10::kCUDA), device);
  auto const factor = at::full({4096, 4096}, 1.0 / 4096, at::device(device).dtype(at::kFloat));
  for (int round = 1; round <= 3; ++round) {
    auto product = at::full({4096, 4096}, round, at::device(device).dtype(at::kFloat));
    for (int i = 0; i < 20; ++i) product = at::mm(product, factor);
    auto const values = product.to(at::kLong);
    reducer.add(values);
    reducer.finalize();
    EXPECT_TRUE(values.eq(round).all().item<bool>());
  }
}

TEST(GpuReducer, RefusesTensorsOfAnotherGpu) {
  if (visible_gpus() == 0) GTEST_SKIP() << "this machine has no GPU";
  auto const reducer = make_reducer(Communicator(), at::Device(at::kCUDA, 1));
  EXPECT_THROW(reducer->add(at::zeros({3}, at::device(at::Device(at::kCUDA, 0)).dtype(at::kLong))), std::invalid_argument);
}

}  // namespace
}  // namespace onemask
