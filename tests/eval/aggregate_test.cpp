#include <onemask/core/random.hpp>
#include <onemask/eval/aggregate.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

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
  std::vector<FactPlace> const facts{{"train", "P1"}, {"train", "P2"}, {"train", "P1"}};
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

TEST(Aggregate, ScoresThatAreNoNumbersAreNotZeros) {
  std::vector<FactPlace> const facts(20, FactPlace{"train", "P1"});
  std::vector<PromptMetrics> rows;
  for (std::int64_t fact = 0; fact < 20; ++fact) rows.push_back(row(fact, 0, 0, fact == 3 ? NAN : -1, fact % 2 == 0 ? -2 : -0.5));
  rows[3].kl = NAN;
  auto const summary = aggregate(rows, facts, {"edited"});
  for (auto const* metric : {"rsr", "success", "kl", "top1_changed", "p_true"}) {
    auto const* found = find(summary, "edited", "train", "all", "rewrite", metric);
    EXPECT_TRUE(std::isnan(found->mean) && std::isnan(found->low) && std::isnan(found->high)) << metric;
    EXPECT_EQ(found->n, 20) << metric;
  }
}

TEST(Aggregate, AFactCountsOnceHoweverManyParaphrasesItHas) {
  std::vector<FactPlace> const facts{{"train", "P1"}, {"train", "P1"}};
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
  std::vector<FactPlace> const facts{{"train", "P1"}, {"train", "P1", {PromptKind::rewrite}}, {"train", "P1"}, {"heldout", "P1"}};
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
  std::vector<FactPlace> const facts{{"b", "P9", {PromptKind::rewrite}}, {"a", "P1", {PromptKind::rewrite}}};
  std::vector const rows{row(1, 0, 0, 0, -1), row(0, 0, 0, 0, -1), row(0, 1, 0, 0, -1)};
  std::vector<std::string> order;
  for (auto const& r : aggregate(rows, facts, {"z", "y"})) {
    if (r.metric == "rsr") order.push_back(r.condition + ' ' + r.split + ' ' + r.relation);
  }
  EXPECT_THAT(order, testing::ElementsAre("z b all", "z b P9", "z a all", "z a P1", "y b all", "y b P9", "y a all", "y a P1"));
}

TEST(Aggregate, RowsOfNoFactOrConditionChangeNothing) {
  std::vector<FactPlace> const facts{{"train", "P1", {PromptKind::rewrite}}};
  std::vector const rows{row(0, 0, 0, 0, -1), row(7, 0, 0, -9, 0), row(-1, 0, 0, -9, 0), row(0, 5, 0, -9, 0),
                         row(0, -1, 0, -9, 0)};
  auto const summary = aggregate(rows, facts, {"edited"});
  EXPECT_EQ(find(summary, "edited", "train", "all", "rewrite", "rsm")->mean, 1);
  EXPECT_EQ(summary.size(), 2U * 11);
  EXPECT_TRUE(aggregate({}, {}, {}).empty());
}

std::vector<SummaryRow> summary_of(std::size_t facts) {
  std::vector<FactPlace> places(facts, {"train", "P1", {PromptKind::rewrite}});
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

/// Kinds of prompts of a fact with a neighborhood, and perhaps paraphrases.
std::vector<PromptKind> with_neighborhood_of(bool paraphrases) {
  std::vector kinds{PromptKind::rewrite, PromptKind::neighborhood};
  if (paraphrases) kinds.insert(kinds.begin() + 1, PromptKind::paraphrase);
  return kinds;
}

/// Facts of two splits and four relations, every seventh without paraphrases; rows of all three kinds, some of them missing.
struct Mixed {
  static constexpr std::size_t count = 1500;

  Mixed() {
    RandomStream random({17});
    for (std::size_t f = 0; f < count; ++f) {
      facts.push_back(
          {f < 1300 ? "train" : "ood", std::string(1, static_cast<char>('A' + f % 4)), with_neighborhood_of(f % 7 != 0)});
      for (std::int64_t c = 0; c < 3; ++c) {
        for (std::int64_t p = 0; p < 4; ++p) {
          auto const kind = p == 0 ? PromptKind::rewrite : p < 3 ? PromptKind::paraphrase : PromptKind::neighborhood;
          if ((kind == PromptKind::paraphrase && f % 7 == 0) || (c == 2 && f % 11 == 3)) continue;
          auto& added =
              rows.emplace_back(row(static_cast<std::int64_t>(f), c, p, -random.uniform(), -random.uniform(), random.uniform()));
          added.kind = kind;
          added.tokens_true = 1 + p % 2;
        }
      }
    }
  }

  std::vector<FactPlace> facts;
  std::vector<PromptMetrics> rows;
};

void expect_equal(SummaryRow const& one, SummaryRow const& other) {
  auto const name = one.condition + ' ' + one.split + ' ' + one.relation + ' ' + one.prompts + ' ' + one.metric;
  EXPECT_EQ(other.condition + ' ' + other.split + ' ' + other.relation + ' ' + other.prompts + ' ' + other.metric, name);
  EXPECT_EQ(std::pair(one.n, one.planned), std::pair(other.n, other.planned)) << name;
  EXPECT_EQ(one.mean, other.mean) << name;
  EXPECT_NEAR(one.low, other.low, 1e-12) << name;
  EXPECT_NEAR(one.high, other.high, 1e-12) << name;
}

TEST(Aggregate, ConditionsMayComeOneAfterTheOther) {
  Mixed const mixed;
  auto const together = aggregate(mixed.rows, mixed.facts, {"a", "b", "c"});
  std::vector<SummaryRow> apart;
  Aggregator aggregator(mixed.facts);
  for (auto const& group : std::vector<std::vector<std::string>>{{"a", "b"}, {"c"}}) {
    auto const first = group.front() == "c" ? 2 : 0;
    aggregator.begin(group);
    for (auto r : mixed.rows) {
      r.condition -= first;
      aggregator.add(r);
    }
    auto const rows = aggregator.end();
    apart.insert(apart.end(), rows.begin(), rows.end());
  }
  ASSERT_EQ(apart.size(), together.size());
  for (std::size_t i = 0; i < together.size(); ++i) expect_equal(together[i], apart[i]);
}

/// Bounds of `statistic` over 1000 resamples of the first n items, drawn one by one.
template <typename Statistic>
std::pair<double, double> plain_interval(std::size_t n, Statistic statistic) {
  RandomStream random({stream::bootstrap, n});
  std::vector<double> values;
  for (int r = 0; r < 1000; ++r) {
    std::vector<std::size_t> drawn(n);
    for (auto& item : drawn) item = random.below(n);
    values.push_back(statistic(drawn));
  }
  std::sort(values.begin(), values.end());
  return {values[25], values[974]};
}

TEST(Aggregate, IntervalsAreThoseOfResamplingFactByFact) {
  Mixed const mixed;
  auto const summary = aggregate(mixed.rows, mixed.facts, {"a", "b", "c"});
  // Condition c lacks some facts; what is left of the training split, with margins, and with the three successes of the score.
  std::map<std::size_t, std::array<std::vector<double>, 4>> values;
  for (auto const& r : mixed.rows) {
    auto const fact = static_cast<std::size_t>(r.fact);
    if (r.condition != 2 || fact >= 1300) continue;
    bool const kept = r.lp_true / static_cast<double>(r.tokens_true) > r.lp_new;
    if (r.kind == PromptKind::rewrite) values[fact][0].push_back(r.lp_true - r.lp_new);
    values[fact][1 + static_cast<std::size_t>(r.kind)].push_back(kept == (r.kind == PromptKind::neighborhood) ? 1 : 0);
  }
  auto const mean = [](std::vector<double> const& of) {
    double sum = 0;
    for (auto value : of) sum += value;
    return sum / static_cast<double>(of.size());
  };
  std::vector<double> margins;
  std::vector<std::array<double, 3>> successes;
  for (auto const& [fact, of] : values) {
    margins.push_back(mean(of[0]));
    if (!of[2].empty()) successes.push_back({mean(of[1]), mean(of[2]), mean(of[3])});
  }
  auto const [low, high] = plain_interval(margins.size(), [&](auto const& drawn) {
    double sum = 0;
    for (auto item : drawn) sum += margins[item];
    return sum / static_cast<double>(drawn.size());
  });
  auto const* margin = find(summary, "c", "train", "all", "rewrite", "rsm");
  EXPECT_EQ(margin->n, std::ssize(margins));
  EXPECT_NEAR(margin->low, low, 1e-12);
  EXPECT_NEAR(margin->high, high, 1e-12);

  auto const score = plain_interval(successes.size(), [&](auto const& drawn) {
    std::array<double, 3> sums{};
    for (auto item : drawn) {
      for (std::size_t k = 0; k < 3; ++k) sums[k] += successes[item][k];
    }
    double inverse = 0;
    for (auto sum : sums) inverse += static_cast<double>(drawn.size()) / sum;
    return 3 / inverse;
  });
  auto const* found = find(summary, "c", "train", "all", "all", "score");
  EXPECT_EQ(found->n, std::ssize(successes));
  EXPECT_NEAR(found->low, score.first, 1e-12);
  EXPECT_NEAR(found->high, score.second, 1e-12);
}

}  // namespace
}  // namespace onemask
