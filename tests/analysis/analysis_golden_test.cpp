#include "support/golden_mask.hpp"
#include <onemask/analysis/attention_measure.hpp>
#include <onemask/analysis/model_analysis.hpp>

#include <array>
#include <functional>
#include <set>

namespace onemask::test {
namespace {

using enum AttentionMeasure;
using Layers = std::vector<double>;

/// Held-out facts under the unedited model, their edits and a mask, beside the numbers of an independent program: of cf-gpt2,
/// over 100 facts, with two or three digits.
class AnalysisGolden : public GoldenTest {
 protected:
  AnalysisGolden() : edits_(*this, "heldout"), model_(model()), words_(tokenizer()) {}

  void analyse(AnalysisOptions const& options, bool published = false) {
    std::vector<SubjectPrompt> prompts;
    std::vector<at::Tensor> lefts, rights;
    auto const count = std::min<std::size_t>(100, edits_.facts.size());
    for (std::size_t f = 0; f < count; ++f) {
      prompts.push_back(make_subject_prompt(words_, edits_.facts[f], false, model_->config().family, model_->config().positions));
      lefts.push_back(edits_.edits[f].left);
      rights.push_back(edits_.edits[f].right);
    }
    FactAnalyser const analyser(*model_, prompts, {edits_.layer}, options, published);
    auto const device = model_->device();
    EditedProjection edited{stacked_factors(lefts).to(device), stacked_factors(rights).to(device), {}};
    auto masked = edited;
    masked.mask = tensors("eval_mask.safetensors").tensor("mask").t().contiguous().to(device, model_->dtype());
    for (auto const& change : {EditedProjection(), edited, masked}) {
      RecordedModel const recorded{*model_, change};
      found_.push_back(analyser.analyse(recorded, analyser.record(recorded), {}));
    }
  }

  std::int64_t layers() const { return model_->config().layers; }
  at::Tensor measured(std::size_t model, AttentionMeasure which) const {
    return found_[model].attention.select(2, 0).select(2, static_cast<std::int64_t>(which)).to(at::kDouble);
  }

  /// Means over facts by layer.
  static void expect_means(at::Tensor const& by_fact, Layers const& expected, double digit, std::string const& what) {
    auto const means = by_fact.mean(0);
    ASSERT_EQ(means.numel(), std::ssize(expected)) << what;
    for (std::size_t l = 0; l < expected.size(); ++l)
      EXPECT_NEAR(means[static_cast<std::int64_t>(l)].item<double>(), expected[l], 0.51 * digit) << what << ", layer " << l;
  }
  static bool is_measured() { return GetParam().name == "cf_gpt2"; }
  static constexpr char const* elsewhere = "It was measured on cf-gpt2, of the folder 'shared'.";

  GoldenEdits edits_;
  std::unique_ptr<CausalLM> model_;
  Tokenizer words_;
  std::vector<ModelAnalysis> found_;  ///< original, edited, masked
};

TEST_P(AnalysisGolden, PartsAddUpToTheLogit) {
  analyse({.attention = false, .traces = false});
  for (auto const& found : found_) {
    auto const parts = found.contributions;
    auto const sums = parts.narrow(2, 0, 2 * layers() + 2).sum(2);
    EXPECT_LT(largest_difference(sums, parts.select(2, 2 * layers() + 2)), 1e-4);
  }
}

TEST_P(AnalysisGolden, Contributions) {
  if (!is_measured()) GTEST_SKIP() << elsewhere;
  analyse({.places = {AnalysisPlace::last}, .attention = false, .traces = false});
  struct Line {
    char const* what;
    std::int64_t token;
    bool mlp;
    std::array<Layers, 3> expected;
  };
  std::vector<Line> const lines{{"attention to new",
                                 1,
                                 false,
                                 {{{1.18, 0.48, 0.10, 0.13, 0.06, -0.25, -0.30, -0.53},
                                   {1.17, 0.47, 0.10, 1.92, 2.02, 1.85, 1.47, 0.95},
                                   {1.20, 0.49, 0.11, 1.32, 1.35, 1.07, 0.84, 0.38}}}},
                                {"MLP to new",
                                 1,
                                 true,
                                 {{{1.77, 0.71, 0.58, 0.57, 0.34, 0.21, 0.12, -0.28},
                                   {1.75, 0.70, 0.35, 0.67, 0.57, 0.58, 0.68, 0.67},
                                   {1.79, 0.72, 0.32, 0.73, 0.53, 0.46, 0.48, 0.33}}}},
                                {"attention to true",
                                 0,
                                 false,
                                 {{{1.69, 1.13, 1.36, 1.31, 1.35, 1.13, 0.84, 0.39},
                                   {1.68, 1.12, 1.35, -0.13, -0.26, -0.34, -0.50, -0.71},
                                   {1.72, 1.15, 1.38, 0.57, 0.50, 0.44, 0.14, -0.20}}}},
                                {"MLP to true",
                                 0,
                                 true,
                                 {{{2.35, 0.93, 1.05, 1.16, 0.95, 0.90, 0.87, 0.75},
                                   {2.33, 0.92, 1.03, 0.94, 0.61, 0.39, 0.25, -0.13},
                                   {2.39, 0.94, 1.26, 1.22, 0.88, 0.71, 0.60, 0.37}}}}};
  for (auto const& line : lines) {
    for (std::size_t m = 0; m < 3; ++m) {
      auto const parts = found_[m].contributions.select(1, 0).select(2, line.token).to(at::kDouble);
      expect_means(parts.narrow(1, line.mlp ? 1 + layers() : 1, layers()), line.expected[m], 0.01, line.what);
    }
  }
}

/// Without norm, embedding and the outer layers, the sum is far from the logit.
TEST_P(AnalysisGolden, PublishedContributions) {
  if (!is_measured()) GTEST_SKIP() << elsewhere;
  analyse({.places = {AnalysisPlace::last}, .attention = false, .traces = false}, true);
  std::vector<at::Tensor> misses;
  for (auto const& found : found_) {
    auto const parts = found.contributions.select(1, 0).to(at::kDouble);
    misses.push_back(parts.narrow(1, 0, 2 * layers() + 2).nansum(1) - parts.select(1, 2 * layers() + 2));
  }
  auto const all = at::stack(misses);
  EXPECT_NEAR(all.mean().item<double>(), 74.24, 0.01);
  EXPECT_NEAR(all.std(/*unbiased=*/false).item<double>(), 40.71, 0.01);
}

TEST_P(AnalysisGolden, AttentionToTheSubject) {
  if (!is_measured()) GTEST_SKIP() << elsewhere;
  analyse({.contributions = false, .traces = false});
  std::array<Layers, 3> const mean{{{0.117, 0.259, 0.307, 0.323, 0.334, 0.339, 0.366, 0.331},
                                    {0.117, 0.259, 0.307, 0.653, 0.641, 0.631, 0.610, 0.588},
                                    {0.117, 0.259, 0.307, 0.513, 0.494, 0.492, 0.508, 0.472}}};
  std::array<Layers, 3> const largest{{{0.436, 0.650, 0.699, 0.739, 0.799, 0.760, 0.824, 0.779},
                                       {0.436, 0.650, 0.699, 0.972, 0.972, 0.969, 0.983, 0.962},
                                       {0.436, 0.650, 0.699, 0.937, 0.927, 0.914, 0.930, 0.909}}};
  std::array<Layers, 3> const pulls{{{-0.12, -0.25, -0.47, -0.53, -0.57, -0.59, -0.57, -0.34},
                                     {-0.12, -0.25, -0.46, 2.10, 2.32, 2.27, 1.98, 1.68},
                                     {-0.12, -0.26, -0.47, 1.01, 1.14, 1.03, 0.89, 0.79}}};
  for (std::size_t m = 0; m < 3; ++m) {
    expect_means(measured(m, alpha), mean[m], 0.001, "mean over heads");
    expect_means(measured(m, alpha_max), largest[m], 0.001, "largest head");
    expect_means(measured(m, pull), pulls[m], 0.01, "pull");
  }
  expect_means(measured(1, alpha) - measured(0, alpha), {0, 0, 0, 0.330, 0.307, 0.292, 0.244, 0.257}, 0.001, "drift");
  expect_means(measured(2, alpha) - measured(0, alpha), {0, 0, 0, 0.190, 0.159, 0.153, 0.141, 0.141}, 0.001,
               "drift under the mask");
}

TEST_P(AnalysisGolden, TheShiftInParts) {
  if (!is_measured()) GTEST_SKIP() << elsewhere;
  analyse({.contributions = false, .traces = false});
  struct Line {
    char const* what;
    std::vector<AttentionMeasure> of;
    std::array<Layers, 2> expected;  ///< edited, masked
    std::array<double, 2> sums;
  };
  std::vector<Line> const lines{
      {"pattern",
       {pattern},
       {{{0, 0, 0, -0.26, -0.19, -0.18, -0.18, -0.08}, {0, 0, 0, -0.14, -0.10, -0.09, -0.13, -0.04}}},
       {-0.87, -0.50}},
      {"value", {value}, {{{0, 0, 0, 1.64, 1.92, 1.86, 1.85, 1.26}, {0, 0, 0, 1.13, 1.30, 1.22, 1.19, 0.82}}}, {8.53, 5.67}},
      {"interaction",
       {interaction},
       {{{0, 0, 0, 1.23, 1.16, 1.17, 0.88, 0.83}, {0, 0, 0, 0.56, 0.51, 0.50, 0.40, 0.35}}},
       {5.26, 2.32}},
      {"pattern elsewhere",
       {pattern_elsewhere},
       {{{0, 0, 0, 0.36, 0.39, 0.42, 0.36, 0.35}, {0, 0, 0, 0.22, 0.25, 0.23, 0.27, 0.24}}},
       {1.88, 1.20}},
      {"value and interaction elsewhere",
       {value_elsewhere, interaction_elsewhere},
       {{{0, 0, 0, 0.25, 0.28, 0.30, 0.20, 0.22}, {0, 0, 0, 0.20, 0.20, 0.19, 0.13, 0.15}}},
       {1.25, 0.86}},
      {"all",
       {pattern, value, interaction, pattern_elsewhere, value_elsewhere, interaction_elsewhere},
       {{{0, 0, 0, 3.23, 3.56, 3.57, 3.10, 2.58}, {0, 0, 0, 1.96, 2.16, 2.04, 1.86, 1.52}}},
       {16.05, 9.55}}};
  for (auto const& line : lines) {
    for (std::size_t m = 0; m < 2; ++m) {
      auto shift = measured(m + 1, line.of.front());
      for (std::size_t k = 1; k < line.of.size(); ++k) shift = shift + measured(m + 1, line.of[k]);
      expect_means(shift, line.expected[m], 0.01, line.what);
      EXPECT_NEAR(shift.sum(1).mean().item<double>(), line.sums[m], 0.0051) << line.what;
    }
  }
}

/// The logit lens of the last layer is the model: RSR of first tokens 1.00, 0.03, 0.62.
TEST_P(AnalysisGolden, TracesEndWithTheModel) {
  if (!is_measured()) GTEST_SKIP() << elsewhere;
  analyse({.places = {AnalysisPlace::last}, .contributions = false, .attention = false});
  std::array const expected{1.0, 0.03, 0.62};
  for (std::size_t m = 0; m < 3; ++m) {
    auto const last = found_[m].traces.select(1, 0).select(1, layers());
    auto const restored = last.select(1, 2).gt(last.select(1, 3));
    EXPECT_NEAR(restored.to(at::kDouble).mean().item<double>(), expected[m], 1e-9);
    EXPECT_TRUE(last.select(1, 0).gt(last.select(1, 1)).equal(restored));  // the frozen trace ends at the logits
    EXPECT_TRUE(last.select(1, 4).lt(last.select(1, 5)).equal(restored));
  }
  EXPECT_NEAR(found_[0].traces.select(1, 0).select(1, layers()).select(1, 2).exp().mean().item<double>(), 0.9895, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Of, AnalysisGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
