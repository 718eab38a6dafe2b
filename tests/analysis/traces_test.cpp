#include "analysis/traces.hpp"

#include "analysed_model.hpp"
#include "analysis/contributions.hpp"
#include <onemask/model/head_loss.hpp>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

class Traces : public testing::TestWithParam<std::string> {
 protected:
  c10::NoGradGuard const no_gradients_;
  AnalysedTiny const tiny_{GetParam()};
  PassRecorder const recorder_{*tiny_.model, tiny_.prompts, {AnalysedTiny::layer}, true};
  PassRecord const original_ = recorder_.record({*tiny_.model});
  PassRecord const edited_ = recorder_.record({*tiny_.model, tiny_.edited});
};

INSTANTIATE_TEST_SUITE_P(Families, Traces, testing::ValuesIn(model_families()));

TEST_P(Traces, BeginWithTheEmbeddingAndEndAtTheLogit) {
  auto const readout = frozen_readout(*tiny_.model, edited_.residual.back(), recorder_.objects());
  auto const some = at::tensor({0, 2, 3}, at::kLong);
  auto const found = traces(*tiny_.model, edited_, readout, recorder_.objects(), some);
  ASSERT_EQ(found.sizes(), (std::vector<std::int64_t>{3, 4, 6}));
  auto const parts = contributions(*tiny_.model, edited_, readout, recorder_.objects()).index_select(0, some);
  auto const constant = parts.select(1, 7);
  EXPECT_LT(largest_difference(found.select(1, 0).narrow(1, 0, 2), parts.select(1, 0) + constant), 1e-4);
  EXPECT_LT(largest_difference(found.select(1, 3).narrow(1, 0, 2), parts.select(1, 8)), 1e-4);
  // After layer 0: its attention and MLP as well.
  auto const after = parts.select(1, 0) + constant + parts.select(1, 1) + parts.select(1, 4);
  EXPECT_LT(largest_difference(found.select(1, 1).narrow(1, 0, 2), after), 1e-4);
}

TEST_P(Traces, TheLensOfTheLastLayerIsTheModel) {
  auto const readout = frozen_readout(*tiny_.model, edited_.residual.back(), recorder_.objects());
  auto const found = traces(*tiny_.model, edited_, readout, recorder_.objects(), at::arange(6));
  auto const table = log_probabilities(*tiny_.model, tiny_.model->final_norm(edited_.residual.back()));
  for (std::int64_t place = 0; place < 6; ++place) {
    for (std::int64_t t = 0; t < 2; ++t) {
      auto const lp = table[place][recorder_.objects()[place][t].item<std::int64_t>()];
      EXPECT_NEAR(found[place][3][2 + t].item<double>(), lp.item<double>(), 1e-5);
      EXPECT_EQ(found[place][3][4 + t].item<double>(), 1 + table[place].gt(lp).sum().item<double>());
    }
  }
}

TEST_P(Traces, DimensionsAreThoseOfTheStream) {
  auto const tracks = dimension_tracks(edited_, {3, 15});
  for (std::size_t l = 0; l < 4; ++l) {
    EXPECT_TRUE(at::equal(tracks.select(1, static_cast<std::int64_t>(l)).select(1, 1), edited_.residual[l].select(1, 15)));
  }
}

TEST_P(Traces, MapsOfEveryPlace) {
  auto const maps = place_maps(recorder_, *tiny_.model, edited_, original_);
  ASSERT_EQ(maps.sizes(), (std::vector<std::int64_t>{3, 9, 4, 3}));
  auto const distance = maps.select(3, 0);
  for (std::size_t p = 0; p < 3; ++p) {
    auto const row = static_cast<std::int64_t>(p);
    auto const count = std::ssize(tiny_.prompts[p].ids);
    auto const edited = tiny_.streams(p, tiny_.edited), original = tiny_.streams(p, {});
    EXPECT_EQ(distance[row].narrow(1, 0, 2).narrow(0, 0, count).abs().max().item<double>(), 0);  // up to layer 0
    for (std::size_t l = 2; l < 4; ++l) {
      auto const layer = static_cast<std::int64_t>(l);
      auto const expected = (edited[l] - original[l]).norm(2, 1) / original[l].norm(2, 1);
      EXPECT_LT(largest_difference(distance[row].select(1, layer).narrow(0, 0, count), expected), 1e-4);
      auto const logits = at::linear(tiny_.model->final_norm(edited[l]), tiny_.model->head(), tiny_.model->head_bias());
      auto const odds = logits.select(1, tiny_.prompts[p].objects[1]) - logits.select(1, tiny_.prompts[p].objects[0]);
      EXPECT_LT(largest_difference(maps[row].select(1, layer).select(1, 1).narrow(0, 0, count), odds), 1e-3);
    }
    EXPECT_NEAR(maps[row].narrow(0, 0, count).select(1, 2).select(1, 2).sum().item<double>(), 1, 1e-5);  // attention
    if (count == 9) continue;
    EXPECT_TRUE(maps[row][count].isnan().all().item<bool>());
  }
  auto const aligned = aligned_maps(recorder_, maps);
  EXPECT_TRUE(at::equal(aligned[0][1].narrow(1, 0, 2), maps[0][3].narrow(1, 0, 2)));
  EXPECT_TRUE(at::equal(aligned[0][0].narrow(1, 0, 2), maps[0][2].narrow(1, 0, 2)));
  EXPECT_TRUE(at::equal(aligned[0][2].narrow(1, 0, 2), maps[0][4].narrow(1, 0, 2)));
  EXPECT_TRUE(at::equal(aligned[1][3].narrow(1, 0, 2), maps[1][6].narrow(1, 0, 2)));
  EXPECT_TRUE(aligned[2][2].isnan().all().item<bool>());  // nothing stands behind its subject
}

}  // namespace
}  // namespace onemask::test
