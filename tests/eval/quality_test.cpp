#include <onemask/eval/aggregate.hpp>

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

namespace onemask {
namespace {

/// A row whose objects have one token each.
PromptMetrics row(std::int64_t fact, PromptKind kind, double lp_true, double lp_new) {
  PromptMetrics result;
  result.fact = fact;
  result.kind = kind;
  result.lp_true = lp_true;
  result.lp_new = lp_new;
  return result;
}

/// Rows of a fact with a share of success in quarters for each kind of prompts.
void add_fact(std::vector<PromptMetrics>& rows, std::int64_t fact, int rewrite, int paraphrase, int neighborhood) {
  for (int i = 0; i < 4; ++i) {
    rows.push_back(row(fact, PromptKind::rewrite, -2, i < rewrite ? -1 : -3));
    rows.push_back(row(fact, PromptKind::paraphrase, -2, i < paraphrase ? -1 : -3));
    rows.push_back(row(fact, PromptKind::neighborhood, -2, i < neighborhood ? -3 : -1));
  }
}

constexpr auto rewrite = PromptKind::rewrite, paraphrase = PromptKind::paraphrase, neighborhood = PromptKind::neighborhood;

std::vector<FactPlace> places(std::size_t facts) {
  return std::vector<FactPlace>(facts, {"train", "P1", {rewrite, paraphrase, neighborhood}});
}

SummaryRow const* find(std::vector<SummaryRow> const& summary, std::string const& prompts, std::string const& metric) {
  auto const found = std::find_if(summary.begin(), summary.end(), [&](auto const& r) {
    return r.relation == "all" && r.prompts == prompts && r.metric == metric;
  });
  return found == summary.end() ? nullptr : &*found;
}

TEST(Quality, ALongerObjectMayWinByItsTokens) {
  auto long_object = row(0, PromptKind::rewrite, -3, -4);
  long_object.tokens_new = 2;
  auto const summary = aggregate({long_object}, {{"train", "P1", {rewrite}}}, {"edited"});
  EXPECT_EQ(find(summary, "rewrite", "success")->mean, 1);
  EXPECT_NEAR(find(summary, "rewrite", "magnitude")->mean, std::exp(-2) - std::exp(-3), 1e-15);
  EXPECT_EQ(find(summary, "rewrite", "rsr")->mean, 1);  // the true object's sum is larger all the same
  EXPECT_EQ(find(summary, "rewrite", "rsm")->mean, 1);
}

TEST(Quality, TheNeighborhoodShallKeepTheTrueObject) {
  auto kept = row(0, PromptKind::neighborhood, -6, -4);
  kept.tokens_true = 3;
  auto const lost = row(0, PromptKind::neighborhood, -2, -1);
  auto const even = row(0, PromptKind::neighborhood, -1, -1);
  auto const summary = aggregate({kept, lost, even}, places(1), {"edited"});
  EXPECT_NEAR(find(summary, "neighborhood", "success")->mean, 1.0 / 3, 1e-15);  // equal ones are no success
  EXPECT_NEAR(find(summary, "neighborhood", "magnitude")->mean, (std::exp(-2) - std::exp(-4) + std::exp(-2) - std::exp(-1)) / 3,
              1e-15);
  EXPECT_EQ(find(summary, "neighborhood", "rsr"), nullptr);
}

TEST(Quality, EqualObjectsAreNoSuccessOfAnEdit) {
  auto const summary = aggregate({row(0, PromptKind::rewrite, -2, -2)}, places(1), {"edited"});
  EXPECT_EQ(find(summary, "rewrite", "success")->mean, 0);
  EXPECT_EQ(find(summary, "rewrite", "magnitude")->mean, 0);
}

TEST(Quality, AFactCountsOnceHoweverManyPromptsItHas) {
  std::vector const rows{row(0, PromptKind::paraphrase, -2, -1), row(0, PromptKind::paraphrase, -2, -1),
                         row(0, PromptKind::paraphrase, -2, -1), row(1, PromptKind::paraphrase, -2, -3)};
  auto const summary = aggregate(rows, places(2), {"edited"});
  EXPECT_EQ(find(summary, "paraphrase", "success")->mean, 0.5);
  EXPECT_NEAR(find(summary, "paraphrase", "magnitude")->mean, (std::exp(-1) + std::exp(-3)) / 2 - std::exp(-2), 1e-15);
}

TEST(Quality, TheScoreIsTheHarmonicMean) {
  std::vector<PromptMetrics> rows;
  add_fact(rows, 0, 4, 2, 0);
  add_fact(rows, 1, 4, 2, 2);
  auto const summary = aggregate(rows, places(2), {"edited"});
  EXPECT_EQ(find(summary, "rewrite", "success")->mean, 1);
  EXPECT_EQ(find(summary, "paraphrase", "success")->mean, 0.5);
  EXPECT_EQ(find(summary, "neighborhood", "success")->mean, 0.25);
  auto const* score = find(summary, "all", "score");
  EXPECT_NEAR(score->mean, 3.0 / 7, 1e-15);  // 3 / (1 + 2 + 4)
  EXPECT_EQ(score->n, 2);
  // Resamples of fact 0 alone have no neighbor that stays, of fact 1 alone half of them.
  EXPECT_EQ(score->low, 0);
  EXPECT_NEAR(score->high, 3.0 / 5, 1e-15);
}

TEST(Quality, TheScoreIsZeroWhereAPartIs) {
  std::vector<PromptMetrics> rows;
  add_fact(rows, 0, 0, 4, 4);
  add_fact(rows, 1, 0, 3, 4);
  auto const summary = aggregate(rows, places(2), {"original"});
  auto const* score = find(summary, "all", "score");
  EXPECT_EQ(score->mean, 0);
  EXPECT_EQ(score->low, 0);
  EXPECT_EQ(score->high, 0);
}

TEST(Quality, EqualFactsLeaveDoubtOfSharesAlone) {
  std::vector<PromptMetrics> rows;
  for (std::int64_t fact = 0; fact < 7; ++fact) add_fact(rows, fact, 4, 2, 2);
  for (auto const& r : aggregate(rows, places(7), {"edited"})) {
    bool const yes_no = r.metric == "rsr" || r.metric == "success" || r.metric == "top1_changed";
    if (yes_no && (r.mean == 0 || r.mean == 1)) {
      auto const reach = 1 - std::pow(0.025, 1.0 / 7);  // Clopper and Pearson's
      EXPECT_NEAR(r.low, r.mean == 0 ? 0 : 1 - reach, 1e-12) << r.prompts << ' ' << r.metric;
      EXPECT_NEAR(r.high, r.mean == 0 ? reach : 1, 1e-12) << r.prompts << ' ' << r.metric;
      continue;
    }
    EXPECT_NEAR(r.low, r.mean, 1e-15) << r.prompts << ' ' << r.metric;
    EXPECT_NEAR(r.high, r.mean, 1e-15) << r.prompts << ' ' << r.metric;
  }
}

TEST(Quality, FurtherPromptsHaveTheSuccessOfTheirAnswer) {
  std::vector<FactPlace> const facts{
      {"train", "P1", {rewrite, paraphrase, neighborhood, PromptKind::attribute, PromptKind::distract, PromptKind::rep}}};
  auto matched = row(0, PromptKind::rep, -1, -2), missed = row(0, PromptKind::rep, -3, -2);
  matched.acc_true = 1, matched.acc_new = 0.5, missed.acc_true = 0.75, missed.acc_new = 0;
  std::vector const rows{row(0, rewrite, -2, -1),
                         row(0, paraphrase, -2, -1),
                         row(0, neighborhood, -1, -2),
                         row(0, PromptKind::attribute, -2, -1),
                         row(0, PromptKind::distract, -2, -1),
                         matched,
                         missed};
  auto const summary = aggregate(rows, facts, {"edited"}, {.token_accuracy = true});
  EXPECT_EQ(find(summary, "attribute", "success")->mean, 1);  // the new object is right
  EXPECT_EQ(find(summary, "distract", "success")->mean, 0);   // the true one is
  EXPECT_NEAR(find(summary, "distract", "magnitude")->mean, std::exp(-2) - std::exp(-1), 1e-15);
  EXPECT_EQ(find(summary, "attribute", "rsr"), nullptr);
  EXPECT_EQ(find(summary, "rep", "rsr")->mean, 0.5);
  EXPECT_EQ(find(summary, "rep", "match")->mean, 0.5);
  EXPECT_EQ(find(summary, "rep", "acc_true")->mean, 0.875);
  EXPECT_EQ(find(summary, "rep", "acc_new")->mean, 0.25);
  EXPECT_TRUE(std::isnan(find(summary, "rewrite", "match")->mean));  // not scored
  EXPECT_EQ(find(summary, "all", "score")->mean, 1);                 // of the three kinds alone
  EXPECT_EQ(find(aggregate(rows, facts, {"edited"}), "rep", "match"), nullptr);
}

TEST(Quality, TheScoreDrawsFactsJointly) {
  // An edit either succeeds or spares the neighborhood: in every resample both shares sum to 1, which bounds the score by 3/5.
  // Drawn apart they could both be above a half.
  std::vector<PromptMetrics> rows;
  for (std::int64_t fact = 0; fact < 40; ++fact) add_fact(rows, fact, fact % 2 == 0 ? 4 : 0, 4, fact % 2 == 0 ? 0 : 4);
  auto const summary = aggregate(rows, places(40), {"edited"});
  auto const* score = find(summary, "all", "score");
  EXPECT_NEAR(score->mean, 0.6, 1e-12);
  EXPECT_LE(score->high, 0.6 + 1e-12);
  EXPECT_LT(score->low, 0.6);
  EXPECT_GT(find(summary, "rewrite", "success")->high, 0.55);
}

TEST(Quality, FactsWithoutAKindOfPromptsAreNotPlanned) {
  std::vector<FactPlace> const facts{{"train", "P1", {rewrite, paraphrase, neighborhood}},
                                     {"train", "P1"},
                                     {"train", "P1", {rewrite, paraphrase, neighborhood}},
                                     {"train", "P1", {rewrite, neighborhood}}};
  std::vector<PromptMetrics> rows;
  add_fact(rows, 0, 4, 4, 2);
  rows.push_back(row(1, PromptKind::rewrite, -2, -3));
  rows.push_back(row(1, PromptKind::paraphrase, -2, -3));
  rows.push_back(row(3, PromptKind::neighborhood, -2, -3));
  auto const summary = aggregate(rows, facts, {"edited"});
  auto const expect = [&](char const* prompts, char const* metric, double mean, std::int64_t n, std::int64_t planned) {
    auto const* found = find(summary, prompts, metric);
    ASSERT_NE(found, nullptr) << prompts;
    EXPECT_NEAR(found->mean, mean, 1e-15) << prompts;
    EXPECT_EQ(found->n, n) << prompts;
    EXPECT_EQ(found->planned, planned) << prompts;
  };
  expect("rewrite", "success", 0.5, 2, 4);
  expect("paraphrase", "success", 0.5, 2, 3);
  expect("neighborhood", "success", 0.75, 2, 3);
  expect("all", "score", 0.75, 1, 2);  // of fact 0 alone: 3 / (1 + 1 + 2)
}

TEST(Quality, WithoutANeighborhoodThereIsNoScore) {
  auto const summary = aggregate({row(0, PromptKind::rewrite, -2, -1)}, {{"train", "P1"}}, {"edited"});
  EXPECT_NE(find(summary, "rewrite", "success"), nullptr);
  EXPECT_EQ(find(summary, "neighborhood", "success"), nullptr);
  EXPECT_EQ(find(summary, "all", "score"), nullptr);
  // One that is planned but not scored yet is there, with n 0.
  auto const planned = aggregate({row(0, PromptKind::rewrite, -2, -1)}, places(1), {"edited"});
  auto const* score = find(planned, "all", "score");
  EXPECT_EQ(score->n, 0);
  EXPECT_EQ(score->planned, 1);
  EXPECT_TRUE(std::isnan(score->mean) && std::isnan(score->low) && std::isnan(score->high));
}

}  // namespace
}  // namespace onemask
