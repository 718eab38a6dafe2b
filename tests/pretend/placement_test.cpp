#include "compute/reducer_choice.hpp"
#include "support/pretend_fixture.hpp"
#include "support/thread_ranks.hpp"
#include "support/tiny_model.hpp"
#include <onemask/compute/computing.hpp>
#include <onemask/compute/fixed_point.hpp>
#include <onemask/compute/reducer.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/model/device.hpp>

#include <ATen/Context.h>
#include <gmock/gmock.h>

namespace onemask::test {
namespace {

/// What the program takes a device for.
using PretendPlacement = PretendDeviceTest;

TEST_F(PretendPlacement, RanksTakeDevicesInTurn) {
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(parse_placement("pretend", "float16", rank).device, rank % 2 == 0 ? first : second);
    EXPECT_EQ(parse_placement("pretend:1", "float32", rank).device, second);
  }
  EXPECT_THROW(parse_placement("pretend:2", "float32", 0), UserError);
  EXPECT_TRUE(parse_placement("cpu", "float32", 0).device.is_cpu());
}

TEST_F(PretendPlacement, NumbersBearItsName) {
  EXPECT_EQ(execution_of(first.type(), "float32", "float32", 1), "pretend float32 float32 threads 1");
  EXPECT_THAT(kind_of_numbers(second), testing::HasSubstr(" on pretend of "));
}

TEST_F(PretendPlacement, ModelsOnItMakeSumsRepeatable) {
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(false, false);
  tiny_gpt2().load();
  EXPECT_FALSE(context.deterministicAlgorithms());
  tiny_gpt2().load(at::kFloat, second);
  EXPECT_TRUE(context.deterministicAlgorithms());
  EXPECT_TRUE(context.deterministicAlgorithmsWarnOnly()) << "an operator without such a form is no error";
  EXPECT_FALSE(context.deterministicFillUninitializedMemory()) << "which costs time";
}

// Without NCCL, the sums of ranks go through the host and back.
TEST_F(PretendPlacement, RanksSumWhatLiesOnTheirDevices) {
  run_ranks(2, [&](Communicator const& world) {
    auto const device = pretend_device(world.rank());
    auto const reducer = choose_reducer(world, device, nullptr, "");
    auto const large = at::arange(100'000, at::device(device).dtype(at::kLong)) * (world.rank() + 1),
               small = at::ones_like(large[0]);
    reducer->add(large);
    reducer->add(small);
    reducer->finalize();
    EXPECT_TRUE(large.cpu().equal(at::arange(100'000, at::kLong) * 3));
    EXPECT_EQ(small.item<std::int64_t>(), 2);
  });
}

TEST_F(PretendPlacement, HostsDoNotReadItsNumbersInFixedPoint) {
  auto const values = at::ones({3}, at::device(first).dtype(at::kFloat));
  auto const sums = at::zeros({3}, at::device(first).dtype(at::kLong));
  EXPECT_THROW(add_fixed_point(values, 20, sums), BrokenInvariant);
  EXPECT_THROW(add_fixed_point(values.cpu(), 20, sums), BrokenInvariant);
  EXPECT_THROW(read_fixed_point(sums, 20, values.cpu()), BrokenInvariant);
  EXPECT_THROW(read_fixed_point(sums.cpu(), 20, values), BrokenInvariant);
  expect_same_bits(from_fixed_point(to_fixed_point(values, 20), 20, at::kFloat), values);
}

}  // namespace
}  // namespace onemask::test
