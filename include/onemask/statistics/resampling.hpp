#pragma once

#include <onemask/core/random.hpp>
#include <onemask/statistics/proportion.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace onemask {

/// Scores of facts under models that differ in their seed alone: [facts, seeds], fact by fact. A single model has one column.
struct SeededScores {
  std::size_t seeds = 1;
  std::vector<double> values;

  std::size_t facts() const { return values.size() / seeds; }
  /// Mean over the seeds, by fact.
  std::vector<double> by_fact() const;
  double mean() const;
};

/// Of the summary's intervals, and of p, which is then at least 5e-4, so that a hundred comparisons can be judged together.
inline constexpr std::size_t resamples_of_intervals = 1000, resamples_of_p = 4000;

/// The bootstrap over facts, or over facts and seeds together where there are several (Owen, The pigeonhole bootstrap, Annals of
/// Applied Statistics 1:386, 2007): each resample draws as many facts with replacement as there are, and as many seeds. Facts of
/// a cluster are drawn together; without clusters every fact is its own.
///
/// The resamples depend on the numbers of clusters and of seeds alone; the first of more are the same. Over facts they are those
/// of the summary's intervals.
class Resampling {
 public:
  /// `cluster_of` the facts, 0 … ; empty: every fact for itself.
  Resampling(std::size_t facts, std::size_t seeds, std::vector<std::size_t> const& cluster_of, std::size_t resamples);

  /// Means of each of the scores under every resample: [scores, resamples]. Scores have as many facts as this, and as many seeds
  /// or one.
  std::vector<std::vector<double>> means(std::vector<SeededScores> const& scores) const;

 private:
  RandomStream facts_stream() const;

  std::size_t facts_, seeds_, clusters_, resamples_;
  std::vector<std::size_t> cluster_of_;
  /// How often each cluster is drawn, [resamples, clusters], so that further scores need no draws; empty where they
  /// are too many.
  std::vector<std::uint32_t> kept_;
};

/// Of at least one value.
double median(std::vector<double> values);

/// The middle 95 % of resampled values: those that 25 of 1000 lie below and above. NaN where one is NaN.
Interval percentile_interval(std::vector<double> resampled);

/// Of the mean, by bootstrap over facts, or over facts and seeds together.
Interval interval_of_mean(SeededScores const& scores, std::size_t resamples = resamples_of_intervals);

/// The same of many models of single columns. Those of as many facts share the resamples, which is quicker and gives the same.
/// NaN where there are no values.
std::vector<Interval> intervals_of_means(std::vector<SeededScores> const& scores);

/// Two-sided p of a difference from its resampled values: twice the share that is not on the one side of 0, with one more
/// resample counted there, so at least 2 / (resamples + 1); and at least what a sign test of so many independent facts, or
/// clusters of them, can give.
double bootstrap_p(std::vector<double> const& resampled, std::size_t independent);

}  // namespace onemask
