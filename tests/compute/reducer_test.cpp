#include "support/world.hpp"
#include <onemask/compute/fixed_point.hpp>
#include <onemask/compute/reducer.hpp>

#include <stdexcept>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

at::Tensor integers(std::vector<std::int64_t> const& values) {
  return at::tensor(values, at::kLong);
}

RANK_TEST(GradientReducer, AddsUpOverAllRanks) {
  auto const comm = test::world();
  auto const reducer = make_reducer(comm, at::kCPU);
  std::int64_t const ranks = comm.size(), rank = comm.rank(), triangle = ranks * (ranks - 1) / 2;
  std::int64_t const large = std::int64_t{1} << 53;  // a sum in float64 would lose the last bit

  auto const first = integers({rank, -rank, large + 1, 7}).view({2, 2});
  auto const second = integers({100 * rank});
  reducer->add(first);
  reducer->add(second);
  reducer->finalize();
  EXPECT_TRUE(first.equal(integers({triangle, -triangle, ranks * (large + 1), 7 * ranks}).view({2, 2})));
  EXPECT_TRUE(second.equal(integers({100 * triangle})));

  reducer->add(second);  // and once more with the same reducer
  reducer->finalize();
  EXPECT_TRUE(second.equal(integers({100 * triangle * ranks})));
  reducer->finalize();
}

RANK_TEST(GradientReducer, TakesTensorsOfManyBucketsAndOfNone) {
  auto const comm = test::world();
  auto const reducer = make_reducer(comm, at::kCPU);
  auto const large = at::arange(1'300'007, at::kLong).mul(comm.rank() + 1);
  auto const empty = at::empty({0, 3}, at::kLong);
  reducer->add(large);
  reducer->add(empty);
  reducer->finalize();
  std::int64_t const factor = comm.size() * (comm.size() + 1) / 2;
  EXPECT_TRUE(large.equal(at::arange(1'300'007, at::kLong).mul(factor)));
}

/// Gradients of 12 micro-batches, dealt out to the ranks in two ways, give the same bits, equal to those one rank alone makes.
RANK_TEST(GradientReducer, GivesTheSameBitsWhateverTheOrder) {
  auto const comm = test::world();
  auto const gradient = [](int batch) { return at::arange(1000, at::kFloat).mul(0.1 * (batch + 1)).sin().div(3.0 + batch); };
  auto const sum_over = [&](auto const& mine) {
    auto sum = at::zeros({1000}, at::kLong);
    for (int i = 0; i < 12; ++i) {
      if (mine(i)) sum += to_fixed_point(gradient(i), 40);
    }
    auto const reducer = make_reducer(comm, at::kCPU);
    reducer->add(sum);
    reducer->finalize();
    return from_fixed_point(sum, 40, at::kFloat);
  };
  auto const dealt = sum_over([&](int i) { return i % comm.size() == comm.rank(); });
  auto const in_blocks = sum_over([&](int i) { return (11 - i) * comm.size() / 12 == comm.rank(); });
  auto alone = at::zeros({1000}, at::kLong);
  for (int i = 11; i >= 0; --i) alone += to_fixed_point(gradient(i), 40);
  EXPECT_TRUE(dealt.equal(in_blocks));
  EXPECT_TRUE(dealt.equal(from_fixed_point(alone, 40, at::kFloat)));
}

/// A device without memory: whatever is copied from there throws.
TEST(GradientReducer, OfOneRankLeavesTensorsOnTheirDevice) {
  auto const device = c10::Device(c10::DeviceType::Meta);
  auto const reducer = make_reducer(Communicator(), device);
  EXPECT_EQ(reducer->transport(), "one rank");
  reducer->add(at::empty({2, 3}, at::device(device).dtype(at::kLong)));
  EXPECT_NO_THROW(reducer->finalize());
  EXPECT_THROW(reducer->add(at::zeros({3}, at::kLong)), std::invalid_argument) << "of another device";
}

RANK_TEST(GradientReducer, RefusesOtherTensors) {
  auto const reducer = make_reducer(test::world(), at::kCPU);
  EXPECT_THROW(reducer->add(at::zeros({3}, at::kFloat)), std::invalid_argument);
  EXPECT_THROW(reducer->add(at::zeros({3, 2}, at::kLong).t()), std::invalid_argument);
  reducer->finalize();
}

}  // namespace
}  // namespace onemask
