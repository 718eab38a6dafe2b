#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>
#include <onemask/statistics/resampling.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <utility>

namespace onemask {
namespace {

/// Numbers of a Resampling's draws up to which they are kept, 32 MiB.
constexpr std::size_t most_kept = 1 << 23;

/// How often each of the items is drawn, where as many are drawn as there are.
void draw(RandomStream& random, std::span<std::uint32_t> counts) {
  std::fill(counts.begin(), counts.end(), 0);
  for (std::size_t i = 0; i < counts.size(); ++i) ++counts[random.below(counts.size())];
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  auto const middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> SeededScores::by_fact() const {
  std::vector<double> means;
  for (auto fact = values.begin(); fact != values.end(); fact += static_cast<std::ptrdiff_t>(seeds))
    means.push_back(std::accumulate(fact, fact + static_cast<std::ptrdiff_t>(seeds), 0.0) / static_cast<double>(seeds));
  return means;
}

double SeededScores::mean() const {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Resampling::Resampling(std::size_t facts, std::size_t seeds, std::vector<std::size_t> const& cluster_of, std::size_t resamples)
    : facts_(facts), seeds_(seeds), clusters_(facts), resamples_(resamples), cluster_of_(cluster_of) {
  invariant(facts > 0 && seeds > 0, "there is nothing to resample");
  if (!cluster_of_.empty()) {
    invariant(cluster_of_.size() == facts, "clusters of ", cluster_of_.size(), " of ", facts, " facts are known");
    clusters_ = *std::max_element(cluster_of_.begin(), cluster_of_.end()) + 1;
  }
  if (clusters_ * resamples_ > most_kept) return;
  kept_.resize(clusters_ * resamples_);
  auto random = facts_stream();
  for (std::size_t resample = 0; resample < resamples_; ++resample)
    draw(random, std::span(kept_).subspan(resample * clusters_, clusters_));
}

RandomStream Resampling::facts_stream() const {
  return RandomStream({stream::bootstrap, clusters_});
}

std::vector<std::vector<double>> Resampling::means(std::vector<SeededScores> const& scores) const {
  for (auto const& of : scores)
    invariant((of.seeds == seeds_ || of.seeds == 1) && of.values.size() == facts_ * of.seeds, "scores of ", of.facts(),
              " facts and ", of.seeds, " seeds are resampled as of ", facts_, " and ", seeds_);
  RandomStream facts = facts_stream(), seeds({stream::bootstrap, clusters_, seeds_});
  std::vector<std::uint32_t> drawn_now(kept_.empty() ? clusters_ : 0), drawn_seeds(seeds_, 1);
  std::vector<double> sums(seeds_);
  std::vector<std::vector<double>> means(scores.size(), std::vector<double>(resamples_));
  for (std::size_t resample = 0; resample < resamples_; ++resample) {
    if (kept_.empty()) draw(facts, drawn_now);
    auto const drawn = kept_.empty() ? std::span<std::uint32_t const>(drawn_now)
                                     : std::span<std::uint32_t const>(kept_).subspan(resample * clusters_, clusters_);
    if (seeds_ > 1) draw(seeds, drawn_seeds);
    for (std::size_t s = 0; s < scores.size(); ++s) {
      auto const& of = scores[s];
      std::fill(sums.begin(), sums.end(), 0.0);
      double weight = 0;
      auto const* value = of.values.data();
      for (std::size_t fact = 0; fact < facts_; ++fact) {
        double const times = drawn[cluster_of_.empty() ? fact : cluster_of_[fact]];
        weight += times;
        for (std::size_t seed = 0; seed < of.seeds; ++seed) sums[seed] += times * *value++;
      }
      double sum = sums[0];
      if (of.seeds > 1) {
        sum = 0;
        for (std::size_t seed = 0; seed < seeds_; ++seed) sum += drawn_seeds[seed] * sums[seed] / static_cast<double>(seeds_);
      }
      means[s][resample] = sum / weight;
    }
  }
  return means;
}

Interval percentile_interval(std::vector<double> resampled) {
  invariant(!resampled.empty(), "an interval of nothing is asked for");
  if (std::any_of(resampled.begin(), resampled.end(), [](double value) { return std::isnan(value); })) {
    auto const none = std::numeric_limits<double>::quiet_NaN();
    return {none, none};
  }
  std::sort(resampled.begin(), resampled.end());
  auto const outside = resampled.size() * 25 / 1000;
  return {resampled[outside], resampled[resampled.size() - 1 - outside]};
}

Interval interval_of_mean(SeededScores const& scores, std::size_t resamples) {
  return percentile_interval(Resampling(scores.facts(), scores.seeds, {}, resamples).means({scores}).front());
}

std::vector<Interval> intervals_of_means(std::vector<SeededScores> const& scores) {
  constexpr auto none = std::numeric_limits<double>::quiet_NaN();
  std::vector<Interval> intervals(scores.size(), {none, none});
  std::map<std::size_t, std::vector<std::size_t>> by_facts;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!scores[i].values.empty()) by_facts[scores[i].facts()].push_back(i);
  }
  for (auto const& [facts, some] : by_facts) {
    std::vector<SeededScores> alike;
    for (auto const i : some) alike.push_back(scores[i]);
    auto means = Resampling(facts, 1, {}, resamples_of_intervals).means(alike);
    for (std::size_t k = 0; k < some.size(); ++k) intervals[some[k]] = percentile_interval(std::move(means[k]));
  }
  return intervals;
}

double bootstrap_p(std::vector<double> const& resampled, std::size_t independent) {
  auto const count = [&](auto is) { return 1 + std::count_if(resampled.begin(), resampled.end(), is); };
  auto const fewer = std::min(count([](double value) { return value <= 0; }), count([](double value) { return value >= 0; }));
  auto const p = 2 * static_cast<double>(fewer) / static_cast<double>(resampled.size() + 1);
  // So many fair coins fall on one side as often: resamples of few cannot tell more.
  auto const least = std::exp2(1 - static_cast<double>(independent));
  return std::min(1.0, std::max(p, least));
}

}  // namespace onemask
