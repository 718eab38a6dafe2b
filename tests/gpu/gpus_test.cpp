#include <onemask/core/error.hpp>
#include <onemask/gpu/gpus.hpp>
#include <onemask/gpu/nccl.hpp>

#include <cstdlib>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::StartsWith;

// The first test, as LibTorch asks only once what it has.
TEST(Gpus, LoadingTheModuleGivesLibTorchCuda) {
  bool const built = !std::string_view(why_no_gpu()).starts_with("this build cannot use CUDA (");
  EXPECT_EQ(at::globalContext().hasCUDART(), built);
}

TEST(Gpus, AreRefusedWhereThereIsNone) {
  if (visible_gpus() > 0) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_THAT(why_no_gpu(), testing::AnyOf(StartsWith("no GPU is visible; "), StartsWith("this build cannot use CUDA (")));
  try {
    EXPECT_EQ(describe_gpu({c10::kCUDA, 0}).memory, 0u) << "a build with CUDA but without NCCL";
  } catch (RunError const& error) {
    EXPECT_THAT(error.what(), StartsWith("GPU 0 cannot be used: "));
  }
}

// NVIDIA's NCCL itself, as far as it comes without a GPU. It looks for a network once in a process.
TEST(Gpus, NcclSaysThatItFindsNoNetwork) {
  why_no_gpu();  // loads the module
  auto const* const library = nccl(c10::kCUDA);
  if (library == nullptr) GTEST_SKIP() << "this build has no NCCL";
  EXPECT_EQ(nccl_version(c10::kCUDA), library->version());
  EXPECT_THAT(library->version(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  setenv("NCCL_SOCKET_IFNAME", "=no-such-interface", 1);
  try {
    library->new_group();
    ADD_FAILURE() << "there is no such interface";
  } catch (NcclError const& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("(Bootstrap : no socket interface found)"));
  }
}

TEST(Gpus, AreKnownByKind) {
  EXPECT_EQ(nccl(c10::kCPU), nullptr);
  EXPECT_EQ(visible_devices(c10::kCPU), 0);
  EXPECT_EQ(visible_devices(c10::kCUDA), visible_gpus());
}

TEST(Gpus, HoldTensors) {
  if (visible_gpus() == 0) GTEST_SKIP() << "this machine has no GPU";
  auto const numbers = at::arange(1000, at::device(at::Device(at::kCUDA, 0)).dtype(at::kLong));
  EXPECT_EQ(numbers.sum().item<std::int64_t>(), 499500);
  auto const gpu = describe_gpu({c10::kCUDA, 0});
  EXPECT_EQ(gpu.bus_id.empty(), gpu.memory == 0) << "unknown is unknown";
  EXPECT_LE(gpu.free_memory, gpu.memory);
  if (!gpu.uuid.empty()) {
    EXPECT_THAT(gpu.uuid, testing::MatchesRegex("GPU-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+"));
    EXPECT_EQ(gpu.uuid.size(), 40u);
  }
}

}  // namespace
}  // namespace onemask
