#include "support/golden.hpp"
#include "support/golden_fact.hpp"
#include <onemask/eval/aggregate.hpp>
#include <onemask/eval/metrics.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace onemask::test {
namespace {

/// Facts with 2 paraphrases and 5 neighbors each, as the published code of MEMIT scores them before any edit.
class QualityGolden : public GoldenTest {
 protected:
  static std::vector<PromptMetrics> score(CausalLM const& model, Tokenizer const& words, std::vector<Fact> const& facts) {
    constexpr std::size_t batch = 10;
    std::vector<PromptMetrics> rows;
    for (std::size_t first = 0; first < facts.size(); first += batch) {
      std::vector<EvaluationFact> some;
      for (auto f = first; f < std::min(first + batch, facts.size()); ++f)
        some.push_back({static_cast<std::int64_t>(f), &facts[f], nullptr});
      auto const scored = evaluate(model, words, 0, some, {{"original", false, {}}},
                                   {.kinds = {PromptKind::rewrite, PromptKind::paraphrase, PromptKind::neighborhood}});
      rows.insert(rows.end(), scored.begin(), scored.end());
    }
    return rows;
  }
};

TEST_P(QualityGolden, TheUneditedModel) {
  auto const golden = json("memit.json");
  std::vector<Fact> facts;
  for (auto const& record : golden.at("records")) facts.push_back(golden_fact(record));
  auto const rows = score(*model(), tokenizer(), facts);
  ASSERT_EQ(rows.size(), 8 * facts.size());

  std::array const kinds{"rewrite", "paraphrase", "neighborhood"};
  std::array<double, 3> prompts{}, sum_wins{}, success{}, magnitude{};  // by kind, from the golden numbers
  std::int64_t first_of_kind = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto const& row = rows[i];
    auto const kind = static_cast<std::size_t>(row.kind);
    if (i == 0 || rows[i - 1].kind != row.kind) first_of_kind = row.prompt;
    auto const& expected = golden.at("records")[static_cast<std::size_t>(row.fact)].at("before").at(
        kinds[kind])[static_cast<std::size_t>(row.prompt - first_of_kind)];
    auto const lp_true = expected[0].get<double>(), lp_new = expected[1].get<double>();
    SCOPED_TRACE(testing::Message() << "record " << row.fact << ", prompt " << row.prompt);
    EXPECT_TRUE(within(tolerance::logit, logit_deviation(row.lp_true, lp_true)));
    EXPECT_TRUE(within(tolerance::logit, logit_deviation(row.lp_new, lp_new)));
    double const side = row.kind == PromptKind::neighborhood ? -1 : 1;
    auto const true_per_token = lp_true / static_cast<double>(row.tokens_true);
    auto const new_per_token = lp_new / static_cast<double>(row.tokens_new);
    prompts[kind] += 1;
    sum_wins[kind] += side * (lp_new - lp_true) > 0;
    success[kind] += side * (new_per_token - true_per_token) > 0;
    magnitude[kind] += side * (std::exp(new_per_token) - std::exp(true_per_token));
  }

  std::vector<FactPlace> const places(facts.size(),
                                      {"train", "P1", {PromptKind::rewrite, PromptKind::paraphrase, PromptKind::neighborhood}});
  auto const summary = aggregate(rows, places, {"original"});
  auto const mean = [&](std::string const& kind, std::string const& metric) {
    return std::find_if(summary.begin(), summary.end(), [&](auto const& r) { return r.prompts == kind && r.metric == metric; })
        ->mean;
  };
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    // The golden rates compare the objects' sums; CounterFact's scores their means per token.
    EXPECT_NEAR(sum_wins[kind] / prompts[kind], golden.at("before_rates").at(kinds[kind]).get<double>(), 1e-12) << kinds[kind];
    auto const other_success = std::abs(mean(kinds[kind], "success") - success[kind] / prompts[kind]);
    auto const other_magnitude = std::abs(mean(kinds[kind], "magnitude") - magnitude[kind] / prompts[kind]);
    EXPECT_TRUE(within(tolerance::decision, other_success)) << kinds[kind];
    EXPECT_TRUE(within(tolerance::probability, other_magnitude)) << kinds[kind];
  }
  auto const undone = 1 - golden.at("before_rates").at("rewrite").get<double>();
  EXPECT_TRUE(within(tolerance::decision, std::abs(mean("rewrite", "rsr") - undone)));
  EXPECT_EQ(mean("all", "score"), 0);  // no edit, no efficacy
}

INSTANTIATE_TEST_SUITE_P(Of, QualityGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
