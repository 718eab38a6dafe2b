#include <onemask/core/random.hpp>
#include <onemask/statistics/resampling.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

SeededScores random_scores(std::size_t facts, std::size_t seeds, double of_fact, double of_seed, double of_both) {
  RandomStream random({1, facts, seeds});
  std::vector<double> seed_effects(seeds);
  for (auto& effect : seed_effects) effect = of_seed * random.normal();
  SeededScores scores{seeds, {}};
  for (std::size_t fact = 0; fact < facts; ++fact) {
    auto const effect = of_fact * random.normal();
    for (auto const seed_effect : seed_effects) scores.values.push_back(effect + seed_effect + of_both * random.normal());
  }
  return scores;
}

double deviation(std::vector<double> const& values) {
  double sum = 0, squares = 0;
  for (auto const value : values) sum += value, squares += value * value;
  auto const n = static_cast<double>(values.size());
  return std::sqrt(squares / n - sum * sum / n / n);
}

TEST(Resampling, OfFactsIsAsWideAsTheirMeanIsUncertain) {
  auto const scores = random_scores(400, 1, 1, 0, 0);
  auto const means = Resampling(400, 1, {}, resamples_of_intervals).means({scores}).front();
  ASSERT_EQ(means.size(), 1000u);
  EXPECT_NEAR(deviation(means), deviation(scores.values) / 20, 0.003);  // 0.05
}

TEST(Resampling, OfSeedsTooIsWiderWhereSeedsDiffer) {
  auto const scores = random_scores(400, 10, 0.1, 1, 0);
  auto const over_both = deviation(Resampling(400, 10, {}, resamples_of_intervals).means({scores}).front());
  auto const over_facts = deviation(Resampling(400, 1, {}, resamples_of_intervals).means({{1, scores.by_fact()}}).front());
  EXPECT_LT(over_facts, 0.01);
  EXPECT_NEAR(over_both, 0.3, 0.12);  // 1 / sqrt(10), of ten seeds drawn once
}

TEST(Resampling, OfBothVariesAsTheirEffectsDo) {
  // The means of all resamples of facts and seeds vary by the variance of the facts' means over facts, of the seeds' over seeds,
  // and of what is left over both: the three parts of a draw do not hang together (Owen 2007, section 3).
  for (auto const& [facts, seeds] : {std::pair<std::size_t, std::size_t>{3, 2}, {7, 3}, {40, 5}}) {
    auto const scores = random_scores(facts, seeds, 1, 0.5, 0.7);
    auto const of_facts = scores.by_fact();
    std::vector<double> of_seeds(seeds, 0.0), rest;
    for (std::size_t i = 0; i < scores.values.size(); ++i) of_seeds[i % seeds] += scores.values[i] / static_cast<double>(facts);
    for (std::size_t i = 0; i < scores.values.size(); ++i)
      rest.push_back(scores.values[i] - of_facts[i / seeds] - of_seeds[i % seeds]);
    double variance = 0;
    for (auto const& part : {of_facts, of_seeds, rest})
      variance += deviation(part) * deviation(part) / static_cast<double>(part.size());
    auto const means = Resampling(facts, seeds, {}, 40000).means({scores}).front();
    EXPECT_NEAR(deviation(means) / std::sqrt(variance), 1, 0.015) << facts << " facts, " << seeds << " seeds";
  }
}

TEST(Resampling, DrawsFactsOfAClusterTogether) {
  // Two clusters of 50 facts: their mean is 0, 1/2 or 1.
  SeededScores scores{1, std::vector<double>(100, 0.0)};
  std::vector<std::size_t> clusters(100, 0);
  for (std::size_t fact = 0; fact < 100; fact += 2) scores.values[fact] = 1, clusters[fact] = 1;
  auto const means = Resampling(100, 1, clusters, resamples_of_intervals).means({scores}).front();
  EXPECT_EQ(std::set<double>(means.begin(), means.end()), (std::set<double>{0, 0.5, 1}));
  EXPECT_NEAR(static_cast<double>(std::count(means.begin(), means.end(), 0.5)), 500, 60);
}

TEST(Resampling, WeighsClustersByTheirFacts) {
  // Of 1 fact that is 1 and 3 that are 0, each cluster drawn once: 1/4.
  auto const means = Resampling(4, 1, {0, 1, 1, 1}, resamples_of_intervals).means({{1, {1, 0, 0, 0}}}).front();
  EXPECT_EQ(std::set<double>(means.begin(), means.end()), (std::set<double>{0, 0.25, 1}));
}

TEST(Resampling, IsThatOfTheSummaryAndOfEveryOtherCall) {
  // The draws of the gather step's bootstrap, by its own key.
  std::vector<double> const values{0, 1, 10, 100, 1000};
  RandomStream random({stream::bootstrap, 5});
  auto const means = Resampling(5, 1, {}, resamples_of_intervals).means({{1, values}, {1, values}});
  for (std::size_t resample = 0; resample < 1000; ++resample) {
    double sum = 0;
    for (int i = 0; i < 5; ++i) sum += values[random.below(5)];
    ASSERT_DOUBLE_EQ(means[0][resample], sum / 5);
  }
  EXPECT_EQ(means[0], means[1]);
  auto longer = Resampling(5, 1, {}, 3000).means({{1, values}}).front();
  longer.resize(1000);
  EXPECT_EQ(longer, means[0]);
}

TEST(Resampling, IsTheSameWhereDrawsAreTooManyToKeep) {
  auto const scores = random_scores(8800, 1, 1, 0, 0);
  auto const kept = Resampling(8800, 1, {}, 900).means({scores}).front();
  auto drawn_again = Resampling(8800, 1, {}, 1000).means({scores}).front();
  drawn_again.resize(900);
  EXPECT_EQ(kept, drawn_again);
}

TEST(Resampling, TakesASingleModelBesideSeveral) {
  auto const several = random_scores(30, 3, 1, 1, 1);
  SeededScores const single{1, several.by_fact()};
  auto const means = Resampling(30, 3, {}, resamples_of_intervals).means({single, several});
  EXPECT_EQ(means[0], Resampling(30, 1, {}, resamples_of_intervals).means({single}).front());
  EXPECT_NE(means[0], means[1]);
}

TEST(PercentileInterval, LeavesOutAFortiethAtEachEnd) {
  std::vector<double> values;
  for (int i = 999; i >= 0; --i) values.push_back(i);
  auto const interval = percentile_interval(values);
  EXPECT_EQ(interval.low, 25);
  EXPECT_EQ(interval.high, 974);
  values[3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(percentile_interval(values).low));
}

TEST(BootstrapP, CountsResamplesOnTheOtherSide) {
  std::vector<double> values(999, 1.0);
  EXPECT_DOUBLE_EQ(bootstrap_p(values, 100), 2 / 1000.0);
  std::fill_n(values.begin(), 9, -1.0);
  EXPECT_DOUBLE_EQ(bootstrap_p(values, 100), 20 / 1000.0);
  EXPECT_EQ(bootstrap_p(std::vector<double>(999, 0.0), 100), 1);
  // Three facts or relations that agree: two of eight ways that coins may fall.
  EXPECT_EQ(bootstrap_p(std::vector<double>(999, 1.0), 3), 0.25);
  EXPECT_EQ(bootstrap_p(std::vector<double>(999, 1.0), 1), 1);
}

}  // namespace
}  // namespace onemask::test
