#pragma once

#include <onemask/eval/metrics.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// A mean over facts with its 95 % interval (percentile bootstrap over facts, 1000 resamples).
struct SummaryRow {
  std::string condition, split, relation;  ///< relation "all": every relation of the split
  std::string prompts;                     ///< "rewrite" or "paraphrase" (a fact's mean over its paraphrases)
  std::string metric;                      ///< rsr rsm kl top1_changed p_true p_new overlap5 overlap10 overlap100
  double mean = 0, low = 0, high = 0;      ///< NaN where n is 0; the interval also where a value is not finite
  std::int64_t n = 0;                      ///< facts in the mean
  std::int64_t planned = 0;                ///< facts that the study planned for it
};

/// Where a fact of the study belongs.
struct FactPlace {
  std::string split, relation;
  bool has_paraphrases = true;
};

/// Means of all metrics for every condition, split and relation, in the order of the conditions and of the facts. `facts` are the
/// study's facts, indexed by PromptMetrics::fact; a fact without rows lowers n, never `planned`.
std::vector<SummaryRow> aggregate(std::vector<PromptMetrics> const& rows, std::vector<FactPlace> const& facts,
                                  std::vector<std::string> const& conditions);

}  // namespace onemask
