#include "analysed_model.hpp"
#include "support/complaint.hpp"
#include <onemask/analysis/attention_measure.hpp>
#include <onemask/analysis/model_analysis.hpp>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

AnalysisOptions everything() {
  AnalysisOptions options;
  options.heads = options.sources = true;
  options.inner_units = 3;
  options.maps = MapDetail::facts;
  return options;
}

class ModelAnalyses : public testing::Test {
 protected:
  AnalysisResult analysed(std::vector<SubjectPrompt> const& prompts, AnalysisOptions const& options = everything(),
                          at::Tensor const& missing = {}) const {
    FactAnalyser const analyser(*tiny_.model, prompts, {AnalysedTiny::layer}, options, false);
    auto change = tiny_.edited;
    auto const count = std::ssize(prompts);
    change.left = change.left.narrow(0, 0, count), change.right = change.right.narrow(0, 0, count);
    RecordedModel const edited{*tiny_.model, change};
    auto const record = analyser.record(edited);
    AnalysisResult result;
    result.models = {analyser.analyse({*tiny_.model}, analyser.original(), {}), analyser.analyse(edited, record, missing)};
    result.tracks.dimensions = {1, 7};
    result.tracks.zeros = {0.5, 0.25};
    result.tracks.values =
        at::stack({analyser.tracks(analyser.original(), {1, 7}, {}), analyser.tracks(record, {1, 7}, missing)});
    return result;
  }

  AnalysedTiny const tiny_{"gpt2"};
};

TEST_F(ModelAnalyses, ComeBackFromBytes) {
  auto const result = analysed(tiny_.prompts);
  auto const back = analysis_from_bytes(to_bytes(result), "object");
  ASSERT_EQ(back.models.size(), 2U);
  auto const same = [](at::Tensor const& a, at::Tensor const& b) { return at::allclose(a, b, 0, 0, /*equal_nan=*/true); };
  for (std::size_t m = 0; m < 2; ++m) {
    for (auto const member :
         {&ModelAnalysis::contributions, &ModelAnalysis::heads, &ModelAnalysis::sources, &ModelAnalysis::units,
          &ModelAnalysis::attention, &ModelAnalysis::traces, &ModelAnalysis::aligned_maps, &ModelAnalysis::maps})
      EXPECT_TRUE(same(back.models[m].*member, result.models[m].*member));
    EXPECT_EQ(back.models[m].facts, 3);
  }
  EXPECT_EQ(back.tracks.dimensions, result.tracks.dimensions);
  EXPECT_EQ(back.tracks.zeros, result.tracks.zeros);
  EXPECT_TRUE(same(back.tracks.values, result.tracks.values));
  EXPECT_THAT(complaint_of([] {
                analysis_from_bytes(write_safetensors({{"facts", at::zeros({1})}}, {}), "object X");
              }),
              testing::HasSubstr("object X does not hold the result of an analysis"));
}

TEST_F(ModelAnalyses, OfPartsAreThoseOfAllFacts) {
  auto const& all = tiny_.prompts;
  std::vector<SubjectPrompt> const first{all[0], all[1]};
  auto const whole = analysed(all);
  auto const parts = joined({analysed(first), analysed({all[2]})});
  // The second part has the first one's edit; all else, of the unedited model, agrees.
  auto const &a = parts.models[0], &b = whole.models[0];
  EXPECT_LT(largest_difference(a.contributions, b.contributions), 1e-4);
  EXPECT_LT(largest_difference(a.sources.nan_to_num(), b.sources), 1e-4);  // one prompt is shorter
  EXPECT_LT(largest_difference(a.units, b.units), 1e-3);
  EXPECT_EQ(a.facts, 3);
  EXPECT_EQ(a.maps.sizes(), b.maps.sizes());
  EXPECT_LT(largest_difference(parts.tracks.values[0], whole.tracks.values[0]), 1e-4);
}

TEST_F(ModelAnalyses, FactsThatAreNotEditedHaveNoNumbers) {
  auto const missing = at::tensor({0, 1, 0}, at::kLong).to(at::kBool);
  auto const result = analysed(tiny_.prompts, everything(), missing), whole = analysed(tiny_.prompts);
  auto const& found = result.models[1];
  EXPECT_TRUE(found.contributions[1].isnan().all().item<bool>());
  EXPECT_TRUE(found.attention[1].isnan().all().item<bool>());
  EXPECT_TRUE(at::equal(found.contributions[0], whole.models[1].contributions[0]));
  EXPECT_FALSE(result.models[0].contributions.isnan().any().item<bool>());
  EXPECT_EQ(found.facts, 2);
  EXPECT_TRUE(result.tracks.values[1][1].isnan().all().item<bool>());
  EXPECT_FALSE(found.units.isnan().any().item<bool>());
}

TEST_F(ModelAnalyses, HaveWhatIsAskedFor) {
  AnalysisOptions options;
  options.places = {AnalysisPlace::subject_last};
  options.attention = options.traces = false;
  auto const found = analysed(tiny_.prompts, options).models[1], all = analysed(tiny_.prompts).models[1];
  EXPECT_FALSE(found.attention.defined() || found.traces.defined() || found.heads.defined() || found.maps.defined());
  ASSERT_EQ(found.contributions.sizes(), (std::vector<std::int64_t>{3, 1, 9, 2}));
  EXPECT_TRUE(at::equal(found.contributions.select(1, 0), all.contributions.select(1, 1)));
  EXPECT_EQ(all.attention.sizes(),
            (std::vector<std::int64_t>{3, 3, 3, static_cast<std::int64_t>(attention_measure_names.size())}));
}

/// The published decomposition has the inner layers alone, and the raw rows of the unembedding.
TEST_F(ModelAnalyses, ThePublishedContributions) {
  FactAnalyser const analyser(*tiny_.model, tiny_.prompts, {AnalysedTiny::layer}, {}, true);
  auto const parts = analyser.analyse({*tiny_.model}, analyser.original(), {}).contributions[0][0];
  for (auto const part : {0, 1, 3, 4, 6, 7}) EXPECT_TRUE(parts[part].isnan().all().item<bool>()) << part;
  auto const& record = analyser.original();
  auto const raw =
      at::dot(record.after_attention[1][0] - record.residual[1][0], tiny_.model->head()[tiny_.prompts[0].objects[0]]);
  EXPECT_NEAR(parts[2][0].item<double>(), raw.item<double>(), 1e-4);
}

}  // namespace
}  // namespace onemask::test
