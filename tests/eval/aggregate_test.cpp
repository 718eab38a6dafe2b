#include <onemask/eval/aggregate.hpp>

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

PromptMetrics row(std::int64_t fact, std::int64_t condition, std::int64_t prompt, double lp_true, double lp_new, double kl = 0) {
  PromptMetrics result;
  result.fact = fact;
  result.condition = condition;
  result.prompt = prompt;
  result.kind = prompt > 0 ? PromptKind::paraphrase : PromptKind::rewrite;
  result.lp_true = lp_true;
  result.lp_new = lp_new;
  result.kl = kl;
  return result;
}

SummaryRow const* find(std::vector<SummaryRow> const& rows, std::string const& condition, std::string const& split,
                       std::string const& relation, std::string const& prompts, std::string const& metric) {
  for (auto const& r : rows) {
    if (r.condition == condition && r.split == split && r.relation == relation && r.prompts == prompts && r.metric == metric)
      return &r;
  }
  return nullptr;
}

TEST(Aggregate, MeansByHand) {
  std::vector<FactPlace> const facts{{"train", "P1", true}, {"train", "P2", true}, {"train", "P1", true}};
  auto rows = std::vector{row(0, 0, 0, -1, -2, 0.25), row(1, 0, 0, -3, -1, 0.75), row(2, 0, 0, -2, -2, 0.5)};
  rows[0].top1_changed = 1;
  rows[0].overlap5 = 0.2;
  rows[1].overlap5 = 0.4;
  rows[2].overlap5 = 0.9;
  rows[1].overlap10 = 0.3;
  rows[2].overlap100 = 0.6;
  auto const summary = aggregate(rows, facts, {"edited"});
  auto const expect = [&](char const* relation, char const* metric, double mean, std::int64_t n) {
    auto const* found = find(summary, "edited", "train", relation, "rewrite", metric);
    ASSERT_NE(found, nullptr) << relation << ' ' << metric;
    EXPECT_NEAR(found->mean, mean, 1e-12) << relation << ' ' << metric;
    EXPECT_EQ(found->n, n);
    EXPECT_EQ(found->planned, n);
  };
  expect("all", "rsr", 1.0 / 3, 3);  // equal likelihoods do not count as restored
  expect("P1", "rsr", 0.5, 2);
  expect("P2", "rsr", 0, 1);
  expect("all", "rsm", (1.0 - 2.0 + 0.0) / 3, 3);
  expect("P1", "rsm", 0.5, 2);
  expect("all", "kl", 0.5, 3);
  expect("all", "top1_changed", 1.0 / 3, 3);
  expect("all", "p_true", (std::exp(-1) + std::exp(-3) + std::exp(-2)) / 3, 3);
  expect("P2", "p_new", std::exp(-1), 1);
  expect("all", "overlap5", 0.5, 3);
  expect("all", "overlap10", 0.1, 3);
  expect("P1", "overlap100", 0.3, 2);
}

TEST(Aggregate, AFactCountsOnceHoweverManyParaphrasesItHas) {
  std::vector<FactPlace> const facts{{"train", "P1", true}, {"train", "P1", true}};
  // Fact 0 has margins 1, 3 and -5, fact 1 a single one of 8.
  std::vector const rows{row(0, 0, 1, 0, -1), row(0, 0, 2, 0, -3), row(0, 0, 3, -5, 0), row(1, 0, 1, 0, -8)};
  auto const summary = aggregate(rows, facts, {"mask"});
  EXPECT_NEAR(find(summary, "mask", "train", "all", "paraphrase", "rsm")->mean, ((1.0 + 3 - 5) / 3 + 8) / 2, 1e-12);
  EXPECT_NEAR(find(summary, "mask", "train", "all", "paraphrase", "rsr")->mean, (2.0 / 3 + 1) / 2, 1e-12);
  EXPECT_EQ(find(summary, "mask", "train", "all", "paraphrase", "rsr")->n, 2);
  // Nothing was scored on rewrite prompts: the row stands, with n 0 of what was planned.
  auto const* rewrite = find(summary, "mask", "train", "all", "rewrite", "rsr");
  EXPECT_EQ(rewrite->n, 0);
  EXPECT_EQ(rewrite->planned, 2);
  EXPECT_TRUE(std::isnan(rewrite->mean) && std::isnan(rewrite->low) && std::isnan(rewrite->high));
}

TEST(Aggregate, MissingRowsLowerOnlyN) {
  std::vector<FactPlace> const facts{
      {"train", "P1", true}, {"train", "P1", false}, {"train", "P1", true}, {"heldout", "P1", true}};
  std::vector const rows{row(0, 0, 0, 0, -1), row(0, 0, 1, 0, -1), row(1, 0, 0, 0, -1), row(3, 1, 0, -4, 0)};
  auto const summary = aggregate(rows, facts, {"edited", "mask"});
  auto const* rewrite = find(summary, "edited", "train", "all", "rewrite", "rsr");
  EXPECT_EQ(rewrite->n, 2);
  EXPECT_EQ(rewrite->planned, 3);
  auto const* paraphrase = find(summary, "edited", "train", "all", "paraphrase", "rsr");
  EXPECT_EQ(paraphrase->n, 1);
  EXPECT_EQ(paraphrase->planned, 2);  // one of the three has no paraphrases
  auto const* other = find(summary, "mask", "heldout", "P1", "rewrite", "rsm");
  EXPECT_EQ(other->mean, -4);
  EXPECT_EQ(other->n, 1);
  EXPECT_EQ(other->planned, 1);
}

TEST(Aggregate, OrderOfConditionsThenOfFacts) {
  std::vector<FactPlace> const facts{{"b", "P9", false}, {"a", "P1", false}};
  std::vector const rows{row(1, 0, 0, 0, -1), row(0, 0, 0, 0, -1), row(0, 1, 0, 0, -1)};
  std::vector<std::string> order;
  for (auto const& r : aggregate(rows, facts, {"z", "y"})) {
    if (r.metric == "rsr") order.push_back(r.condition + ' ' + r.split + ' ' + r.relation);
  }
  EXPECT_THAT(order, testing::ElementsAre("z b all", "z b P9", "z a all", "z a P1", "y b all", "y b P9", "y a all", "y a P1"));
}

TEST(Aggregate, RowsOfNoFactOrConditionChangeNothing) {
  std::vector<FactPlace> const facts{{"train", "P1", false}};
  std::vector const rows{row(0, 0, 0, 0, -1), row(7, 0, 0, -9, 0), row(-1, 0, 0, -9, 0), row(0, 5, 0, -9, 0),
                         row(0, -1, 0, -9, 0)};
  auto const summary = aggregate(rows, facts, {"edited"});
  EXPECT_EQ(find(summary, "edited", "train", "all", "rewrite", "rsm")->mean, 1);
  EXPECT_EQ(summary.size(), 2U * 11);
  EXPECT_TRUE(aggregate({}, {}, {}).empty());
}

std::vector<SummaryRow> summary_of(std::size_t facts) {
  std::vector<FactPlace> places(facts, {"train", "P1", false});
  std::vector<PromptMetrics> rows;
  for (std::size_t f = 0; f < facts; ++f) {
    // Margins -2 … 2 in turn, two of five restored.
    rows.push_back(row(static_cast<std::int64_t>(f), 0, 0, static_cast<double>(f % 5) - 2, 0));
  }
  return aggregate(rows, places, {"edited"});
}

TEST(Aggregate, TheIntervalHoldsTheMeanAndShrinks) {
  double width = 100;
  for (std::size_t facts : {5, 20, 80, 320}) {
    auto const summary = summary_of(facts);
    auto const* margin = find(summary, "edited", "train", "all", "rewrite", "rsm");
    EXPECT_NEAR(margin->mean, 0, 1e-12);
    EXPECT_LT(margin->low, margin->mean);
    EXPECT_GT(margin->high, margin->mean);
    EXPECT_LT(margin->high - margin->low, 0.7 * width);
    width = margin->high - margin->low;
    // The normal approximation: 1.96 standard errors of sqrt(2) on either side.
    auto const half = 1.96 * std::sqrt(2.0 / static_cast<double>(facts));
    EXPECT_NEAR(width / 2, half, 0.15 * half) << facts;
    auto const* success = find(summary, "edited", "train", "all", "rewrite", "rsr");
    EXPECT_NEAR(success->mean, 0.4, 1e-12);
    EXPECT_GE(success->low, 0);
    EXPECT_LE(success->high, 1);
  }
}

TEST(Aggregate, ASingleFactHasNoWidth) {
  auto const summary = summary_of(1);
  auto const* margin = find(summary, "edited", "train", "all", "rewrite", "rsm");
  EXPECT_EQ(margin->low, -2);
  EXPECT_EQ(margin->mean, -2);
  EXPECT_EQ(margin->high, -2);
}

TEST(Aggregate, TheSameEveryTime) {
  auto const one = summary_of(33), other = summary_of(33);
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].mean, other[i].mean);
    EXPECT_EQ(one[i].low, other[i].low);
    EXPECT_EQ(one[i].high, other[i].high);
  }
}

}  // namespace
}  // namespace onemask
