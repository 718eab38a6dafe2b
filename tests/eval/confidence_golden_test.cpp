#include "support/golden_mask.hpp"
#include <onemask/data/prompt.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/model/two_way.hpp>
#include <onemask/statistics/paired_tests.hpp>

#include <cmath>
#include <numeric>

namespace onemask::test {
namespace {

/// How sure the unedited model is of the true objects, and an edited one of the new ones, on the held-out facts.
class ConfidenceGolden : public GoldenTest {
 protected:
  ConfidenceGolden() : edits_(*this, "heldout"), model_(model()), words_(tokenizer()) {}

  struct Found {
    double before, after, dz, p;  ///< means; p one-sided: after > before
  };
  static Found compared(std::vector<double> const& before, std::vector<double> const& after) {
    auto const mean = [](std::vector<double> const& values) {
      return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    };
    std::vector<double> differences;
    for (std::size_t f = 0; f < before.size(); ++f) differences.push_back(after[f] - before[f]);
    auto const ranks = wilcoxon(differences);
    return {mean(before), mean(after), cohens_dz(differences), ranks.plus > ranks.minus ? ranks.p / 2 : 1 - ranks.p / 2};
  }

  bool is_measured() const { return GetParam().name == "cf_gpt2"; }

  GoldenEdits edits_;
  std::unique_ptr<CausalLM> model_;
  Tokenizer words_;
};

/// The published claim is the opposite; it does not hold for a model that knew the facts.
TEST_P(ConfidenceGolden, AnEditedModelIsLessSure) {
  if (!is_measured()) GTEST_SKIP() << "This was measured on cf-gpt2, of the folder 'shared'.";
  std::vector<EvaluationFact> facts;
  for (std::size_t f = 0; f < edits_.facts.size(); ++f)
    facts.push_back({static_cast<std::int64_t>(f), &edits_.facts[f], &edits_.edits[f]});
  std::vector<double> before, after;
  for (auto const& row : evaluate(*model_, words_, edits_.layer, facts, {{"original", false, {}}, {"edited", true, {}}},
                                  {.kinds = {PromptKind::rewrite}})) {
    if (row.condition == 0) before.push_back(std::exp(row.lp_true / static_cast<double>(row.tokens_true)));
    if (row.condition == 1) after.push_back(std::exp(row.lp_new / static_cast<double>(row.tokens_new)));
  }
  ASSERT_EQ(before.size(), 100u);
  auto const found = compared(before, after);
  EXPECT_NEAR(found.before, 0.9895, 5e-5);
  EXPECT_NEAR(found.after, 0.9081, 5e-5);
  EXPECT_NEAR(found.dz, -0.40, 5e-3);
  EXPECT_NEAR(found.p, 1, 5e-3);
}

/// The published test takes the objects' first tokens without the space in front, which never stand there. Of these small numbers
/// it finds a significant rise.
TEST_P(ConfidenceGolden, OfTokensWithoutTheirSpaceItSeemsSurer) {
  if (!is_measured()) GTEST_SKIP() << "This was measured on cf-gpt2, of the folder 'shared'.";
  std::vector<TwoWayPrompt> prompts;
  std::vector<std::int64_t> own;
  std::vector<at::Tensor> lefts, rights;
  for (std::size_t f = 0; f < edits_.facts.size(); ++f) {
    auto const& fact = edits_.facts[f];
    prompts.push_back({encode_prompt(words_, fact.question()),
                       {words_.encode(fact.target_true).front()},
                       {words_.encode(fact.target_new).front()}});
    own.push_back(static_cast<std::int64_t>(f));
    lefts.push_back(edits_.edits[f].left);
    rights.push_back(edits_.edits[f].right);
  }
  TwoWayBatch const batch(*model_, edits_.layer, prompts, own);
  auto const probabilities = [](at::Tensor const& lp) {
    auto const values = lp.exp().contiguous();
    return std::vector<double>(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  };
  auto const found = compared(
      probabilities(batch.score({}).lp_true),
      probabilities(batch.score({at::stack(lefts).to(model_->device()), at::stack(rights).to(model_->device()), {}}).lp_new));
  EXPECT_NEAR(found.before, 4.5465e-8, 5e-11);  // also of PyTorch in float64
  EXPECT_NEAR(found.after, 4.2e-6, 5e-8);
  EXPECT_NEAR(found.p, 4e-5, 5e-6);
}

INSTANTIATE_TEST_SUITE_P(Of, ConfidenceGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
