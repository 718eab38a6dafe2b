#include "support/golden_moments.hpp"

namespace onemask::test {
namespace {

class SecondMomentGolden : public GoldenTest {
 protected:
  void compare() const {
    auto const golden = tensors("cov.safetensors");
    std::map<int, at::Tensor> stored;
    std::vector<int> layers;
    for (int layer = 0; golden.contains("moment." + std::to_string(layer)); ++layer) {
      stored[layer] = golden.tensor("moment." + std::to_string(layer));
      layers.push_back(layer);
    }
    ASSERT_GE(layers.size(), 2u);
    for (auto const& [layer, moment] : golden_moments(*model(), golden, layers)) {
      auto const& expected = stored.at(layer);
      EXPECT_TRUE(within(tolerance::moment, relative_error(stored_rows(moment.matrix, expected), expected))) << "layer " << layer;
    }
  }
};

TEST_P(SecondMomentGolden, OfSeveralLayersInOnePass) {
  compare();
}

TEST_P(SecondMomentGolden, NoticesTf32) {
  expect_tf32_is_noticed({tolerance::moment}, [&] { compare(); });
}

INSTANTIATE_TEST_SUITE_P(Of, SecondMomentGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
