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
                               {.paraphrases = false, .compare_texts = true, .leading_space = leading_space});
    ASSERT_EQ(rows.size(), 3 * facts.size());
    for (auto const& row : rows) {
      auto const& condition = conditions[static_cast<std::size_t>(row.condition)].name;
      auto const& expected = golden.at("records")[static_cast<std::size_t>(row.fact)].at(condition);
      auto const where = condition + " of record " + std::to_string(row.fact);
      auto const near = [&](double value, char const* key) {
        auto const number = expected.at(key).get<double>();
        EXPECT_NEAR(value, number, std::max(1e-3, 1e-4 * std::abs(number))) << key << ", " << where;
      };
      near(row.lp_true, "lp_true");
      near(row.lp_new, "lp_new");
      near(row.lp_true - row.lp_new, "rsm");
      near(row.kl, "kl");
      EXPECT_EQ(row.lp_true > row.lp_new, expected.at("rsr").get<bool>()) << where;
      EXPECT_EQ(row.top1_changed != 0, expected.at("top1_changed").get<bool>()) << where;
      EXPECT_EQ(row.rank_true, expected.at("rank_pruned").get<std::int64_t>()) << where;
      EXPECT_NEAR(row.overlap5, expected.at("overlap_top5").get<double>(), 1e-9) << where;
      EXPECT_NEAR(row.overlap10, expected.at("overlap_top10").get<double>(), 1e-9) << where;
      // Two tokens at the edge of the first hundred may change places by rounding.
      EXPECT_NEAR(row.overlap100, expected.at("overlap_top100").get<double>(), 0.0101) << where;
    }
  }
};

TEST_P(MetricsGolden, OriginalEditedPruned) {
  check("eval.json", false);
}
TEST_P(MetricsGolden, WithThePublishedLeadingSpace) {
  check("eval_aps1.json", true);
}

INSTANTIATE_TEST_SUITE_P(Of, MetricsGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
