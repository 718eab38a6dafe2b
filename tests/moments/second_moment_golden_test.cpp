#include "support/golden.hpp"
#include <onemask/moments/second_moment.hpp>

namespace onemask::test {
namespace {

using SecondMomentGolden = GoldenTest;

TEST_F(SecondMomentGolden, OfThreeLayersInOnePass) {
  auto const golden = tensors("cov.safetensors");
  auto const ids = golden.tensor("token_ids").to(at::kLong);
  auto const lm = model();
  std::vector<int> const layers{0, 1, 2};
  std::vector<MomentSum> sums;
  for (std::int64_t first = 0; first < ids.size(0); first += 8) {
    std::vector<std::vector<std::int64_t>> rows;
    for (auto row = first; row < first + 8; ++row) {
      auto const values = ids[row].contiguous();
      rows.emplace_back(values.data_ptr<std::int64_t>(), values.data_ptr<std::int64_t>() + values.numel());
    }
    visit_keys(*lm, pack_rows(rows, at::kCPU), layers, [&](int layer, at::Tensor const& keys) {
      if (sums.size() == static_cast<std::size_t>(layer))
        sums.emplace_back(keys.size(1), MomentSum::suitable_exponent(keys), at::kCPU);
      sums[static_cast<std::size_t>(layer)].add(keys);
    });
  }
  for (int layer : layers) {
    auto const error =
        relative_error(sums[static_cast<std::size_t>(layer)].mean(ids.numel()), golden.tensor("moment." + std::to_string(layer)));
    std::cout << "layer " << layer << ": relative error " << error << "\n";
    EXPECT_LT(error, 1e-4);
  }
}

}  // namespace
}  // namespace onemask::test
