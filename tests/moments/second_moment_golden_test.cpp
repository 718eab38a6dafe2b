#include "support/golden_moments.hpp"

namespace onemask::test {
namespace {

using SecondMomentGolden = GoldenTest;

TEST_P(SecondMomentGolden, OfSeveralLayersInOnePass) {
  auto const golden = tensors("cov.safetensors");
  std::map<int, at::Tensor> stored;
  std::vector<int> layers;
  for (int layer = 0; golden.contains("moment." + std::to_string(layer)); ++layer) {
    stored[layer] = golden.tensor("moment." + std::to_string(layer));
    layers.push_back(layer);
  }
  ASSERT_GE(layers.size(), 2u);
  for (auto const& [layer, moment] : golden_moments(*model(), golden, layers)) {
    auto const error = relative_error(stored_rows(moment.matrix, stored.at(layer)), stored.at(layer));
    std::cout << "layer " << layer << ": relative error " << error << "\n";
    EXPECT_LT(error, 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, SecondMomentGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
