#include "support/golden_mask.hpp"
#include <onemask/eval/metrics.hpp>

namespace onemask::test {
namespace {

class MetricsGolden : public GoldenTest {
 protected:
  /// All golden records under original, edited and pruned, in the published code's ways where `aps1` or not.
  void check(std::string const& name, bool leading_space) {
    auto const golden = json(name);
    auto const lm = model();
    auto const words = tokenizer();
    GoldenEdits const train(*this, "train"), heldout(*this, "heldout");
    std::vector<EvaluationFact> facts;
    for (auto const& record : golden.at("records")) {
      auto const id = record.at("case_id").get<std::int64_t>();
      auto const& set = train.place.contains(id) ? train : heldout;
      auto const place = set.place.at(id);
      facts.push_back({std::ssize(facts), &set.facts[place], &set.edits[place]});
    }
    auto const keep = tensors("eval_mask.safetensors").tensor("mask").t().to(at::kBool);
    std::vector<Condition> const conditions{{"original", false, {}}, {"edited", true, {}}, {"pruned", true, keep}};
    // The texts of tokens decide ranks and overlaps here; the space in front is the published evaluation's own.
    auto const rows = evaluate(*lm, words, train.layer, facts, conditions,
                               {.kinds = {PromptKind::rewrite}, .compare_texts = true, .leading_space = leading_space});
    ASSERT_EQ(rows.size(), 3 * facts.size());
    double other_decisions = 0, other_ranks = 0;
    for (auto const& row : rows) {
      auto const& condition = conditions[static_cast<std::size_t>(row.condition)].name;
      auto const& expected = golden.at("records")[static_cast<std::size_t>(row.fact)].at(condition);
      auto const where = condition + " of record " + std::to_string(row.fact);
      auto const expect_near = [&](Tolerance const& tolerance, double value, char const* key) {
        EXPECT_TRUE(within(tolerance, logit_deviation(value, expected.at(key).get<double>()))) << key << ", " << where;
      };
      expect_near(tolerance::logit, row.lp_true, "lp_true");
      expect_near(tolerance::logit, row.lp_new, "lp_new");
      expect_near(tolerance::logit, row.lp_true - row.lp_new, "rsm");
      expect_near(tolerance::divergence, row.kl, "kl");
      expect_near(tolerance::overlap, row.overlap5, "overlap_top5");
      expect_near(tolerance::overlap, row.overlap10, "overlap_top10");
      expect_near(tolerance::overlap_of_100, row.overlap100, "overlap_top100");
      other_decisions += (row.lp_true > row.lp_new) != expected.at("rsr").get<bool>();
      other_decisions += (row.top1_changed != 0) != expected.at("top1_changed").get<bool>();
      other_ranks += row.rank_true != expected.at("rank_pruned").get<std::int64_t>();
    }
    EXPECT_TRUE(within(tolerance::decision, other_decisions / (2.0 * static_cast<double>(rows.size()))));
    EXPECT_TRUE(within(tolerance::rank, other_ranks / static_cast<double>(rows.size())));
  }
};

TEST_P(MetricsGolden, OriginalEditedPruned) {
  check("eval.json", false);
}
TEST_P(MetricsGolden, NoticesTf32) {
  expect_tf32_is_noticed({tolerance::logit, tolerance::divergence}, [&] { check("eval.json", false); });
}
TEST_P(MetricsGolden, WithThePublishedLeadingSpace) {
  check("eval_aps1.json", true);
}

INSTANTIATE_TEST_SUITE_P(Of, MetricsGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
