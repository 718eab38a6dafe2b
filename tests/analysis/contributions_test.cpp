#include "analysis/contributions.hpp"

#include "analysed_model.hpp"

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

/// The same tests for all families.
class Contributions : public testing::TestWithParam<std::string> {
 protected:
  struct Under {
    char const* name;
    RecordedModel recorded;
    PassRecord record;
    Readout readout;
  };

  std::vector<Under> conditions() const {
    std::vector<Under> all;
    EditedProjection only_mask;
    only_mask.mask = tiny_.keep;
    for (auto const& [name, change] : std::vector<std::pair<char const*, EditedProjection>>{
             {"original", {}}, {"edited", tiny_.edited}, {"masked", tiny_.masked}, {"original masked", only_mask}}) {
      RecordedModel const recorded{*tiny_.model, change};
      auto record = recorder_.record(recorded);
      auto readout = frozen_readout(*tiny_.model, record.residual.back(), recorder_.objects());
      all.push_back({name, recorded, std::move(record), std::move(readout)});
    }
    return all;
  }
  std::int64_t layers() const { return tiny_.model->config().layers; }

  c10::NoGradGuard const no_gradients_;
  AnalysedTiny const tiny_{GetParam()};
  PassRecorder const recorder_{*tiny_.model, tiny_.prompts, {AnalysedTiny::layer}, true};
};

INSTANTIATE_TEST_SUITE_P(Families, Contributions, testing::ValuesIn(model_families()));

TEST_P(Contributions, RecordsAreThoseOfEveryPromptAlone) {
  for (auto const& under : conditions()) {
    for (std::size_t p = 0; p < tiny_.prompts.size(); ++p) {
      auto const alone = tiny_.streams(p, under.recorded.change);
      auto const& prompt = tiny_.prompts[p];
      auto const read = static_cast<std::int64_t>(2 * p);
      for (std::size_t l = 0; l < alone.size(); ++l) {
        EXPECT_LT(largest_difference(under.record.residual[l][read], alone[l].select(0, -1)), 1e-4) << under.name << " " << l;
        EXPECT_LT(largest_difference(under.record.residual[l][read + 1], alone[l][prompt.subject_last]), 1e-4) << under.name;
        auto const first = recorder_.layout().token(static_cast<std::int64_t>(p), 0);
        EXPECT_LT(largest_difference(under.record.everywhere[l].narrow(0, first, std::ssize(prompt.ids)), alone[l]), 1e-4);
      }
    }
  }
}

TEST_P(Contributions, PartsAddUpToTheLogit) {
  for (auto const& under : conditions()) {
    auto const parts = contributions(*tiny_.model, under.record, under.readout, recorder_.objects());
    ASSERT_EQ(parts.sizes(), (std::vector<std::int64_t>{6, 2 * layers() + 3, 2}));
    auto const sums = parts.narrow(1, 0, 2 * layers() + 2).sum(1);
    EXPECT_LT(largest_difference(sums, parts.select(1, 2 * layers() + 2)), 1e-4) << under.name;
    // The logit is the model's, before a cap.
    auto expected = tiny_.model->logits(tiny_.model->final_norm(under.record.residual.back())).gather(1, recorder_.objects());
    if (auto const cap = tiny_.model->config().logit_cap) expected = at::atanh(expected.to(at::kDouble) / *cap) * *cap;
    EXPECT_LT(largest_difference(parts.select(1, 2 * layers() + 2), expected), 1e-4) << under.name;
  }
}

TEST_P(Contributions, HeadsSourcesAndUnitsAddUpToTheirLayer) {
  for (auto const& under : conditions()) {
    auto const parts = contributions(*tiny_.model, under.record, under.readout, recorder_.objects());
    auto const attention = parts.narrow(1, 1, layers());
    auto const heads = head_contributions(*tiny_.model, under.record, under.readout);
    EXPECT_LT(largest_difference(heads.sum(2), attention), 1e-4) << under.name;
    auto const sources = source_contributions(*tiny_.model, under.record, under.readout);
    EXPECT_LT(largest_difference(sources.sum(3), heads.narrow(2, 0, tiny_.model->config().heads)), 1e-4) << under.name;
    auto const units = unit_contributions(recorder_, under.recorded, under.record, under.readout);
    auto const bias = tiny_.model->projection(AnalysedTiny::layer).bias;
    auto mlp = parts.select(1, 1 + layers() + AnalysedTiny::layer);
    if (bias.defined()) mlp = mlp - at::matmul(under.readout.direction, bias);  // no family has it and a norm behind the MLP
    EXPECT_LT(largest_difference(units.select(1, 0).sum(1), mlp), 1e-4) << under.name;
  }
}

TEST_P(Contributions, ThePublishedOnesAreRawProducts) {
  auto const under = conditions().front();
  auto const parts =
      contributions(*tiny_.model, under.record, published_readout(*tiny_.model, recorder_.objects()), recorder_.objects());
  auto const added = under.record.after_attention[1][2] - under.record.residual[1][2];
  auto const row = tiny_.model->head()[tiny_.prompts[1].objects[1]];
  EXPECT_NEAR(parts[2][2][1].item<double>(), at::dot(added, row).item<double>(), 1e-4);
  EXPECT_EQ(parts[2][2 * layers() + 1][1].item<double>(), 0);
}

}  // namespace
}  // namespace onemask::test
