#include "support/pretend_fixture.hpp"
#include "support/tiny_model.hpp"
#include <onemask/moments/second_moment.hpp>

namespace onemask::test {
namespace {

using MomentWaits = PretendDeviceTest;

TEST_F(MomentWaits, OnceALayerOfAPack) {
  auto const model = tiny_gpt2().load(at::kFloat, first);
  auto const rows = pack_rows({random_ids(40, 1), random_ids(24, 2)}, first);
  std::vector<int> const layers{0, 1, 2};
  std::vector<MomentSum> sums(3, MomentSum(64, -20, first));
  auto const counts = counts_of([&] {
    visit_keys(*model, rows, layers, [&](int layer, at::Tensor const& keys) { sums[static_cast<std::size_t>(layer)].add(keys); });
  });
  EXPECT_EQ(counts.scalars, 3);
  EXPECT_EQ(counts.synchronisations(), 3);
  EXPECT_EQ(counts_of([&] { sums[0].mean(64); }).synchronisations(), 1);
}

}  // namespace
}  // namespace onemask::test
