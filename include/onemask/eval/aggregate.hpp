#pragma once

#include <onemask/eval/metrics.hpp>
#include <onemask/settings/evaluation_options.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace onemask {

/// A mean over facts with its 95 % interval: percentile bootstrap over facts, 1000 resamples; of yes/no metrics
/// interval_of_share.
struct SummaryRow {
  std::string condition, split, relation;  ///< relation "all": every relation of the split
  std::string prompts;  ///< a kind, as prompt_kind_names has it (a fact's mean over its prompts of the kind), or "all"
  std::string metric;   ///< rsr rsm kl top1_changed p_true p_new overlap5 overlap10 overlap100 success magnitude; score;
                        ///< acc_true acc_new match; gen_true gen_new; entropy
  double mean = 0, low = 0, high = 0;  ///< NaN where n is 0; the interval also where a value is not finite
  std::int64_t n = 0;                  ///< facts in the mean
  std::int64_t planned = 0;            ///< facts that the study planned for it
};

/// Where a fact of the study belongs.
struct FactPlace {
  std::string split, relation;
  std::vector<PromptKind> kinds{PromptKind::rewrite, PromptKind::paraphrase};  ///< of prompts that are scored
};

/// Means of all metrics over facts, from rows that arrive condition by condition: memory holds the means by fact of the
/// conditions at hand, 200 bytes per fact and condition, and the bootstrap's weights, 200 MB at most.
///
/// The quality of edits by CounterFact's definitions (ROME, arXiv 2202.05262, section 3.4; MEMIT, arXiv 2210.07229,
/// section 5.2.2), where P(object) is the exponential of the mean log-probability of the object's tokens:
///   success    share of prompts with P(new) > P(true): ES on rewrite prompts, PS on paraphrases;
///              with P(true) > P(new) on the neighborhood: NS
///   magnitude  P(new) - P(true): EM, PM; P(true) - P(new): NM
///   score      harmonic mean of ES, PS and NS over the facts that have prompts of all three kinds; 0 where one of them is
/// Prompts about other subjects have success and magnitude alone: behind a distracting statement they are those of the
/// neighborhood (DNS, arXiv 2502.14838), of attribute prompts, whose answer is the new object, those of rewrite prompts.
///
/// Where tokens are scored, prompts about the fact itself also have acc_true, acc_new and
///   match      share of prompts behind which every token of the true object is the likeliest (OM, arXiv 2505.12636)
/// Where something is generated, rewrite prompts have gen_true and gen_new, or entropy (GE of ROME and MEMIT, there times 100).
class Aggregator {
 public:
  /// `facts` are the study's facts, indexed by PromptMetrics::fact. `asked` says which scores are more than the usual ones.
  explicit Aggregator(std::vector<FactPlace> const& facts, EvaluationPlan const& asked = {});
  ~Aggregator();
  Aggregator(Aggregator const&) = delete;
  Aggregator& operator=(Aggregator const&) = delete;

  /// Begins with conditions of these names, numbered by PromptMetrics::condition. Facts that `left_out` names, by fact, are not
  /// planned under them.
  void begin(std::vector<std::string> conditions, std::vector<bool> const& left_out = {});
  /// Counts a row; one of no fact or no condition is left out. A fact's rows of a kind may come in any order.
  void add(PromptMetrics const& row);
  /// The means under the conditions begun with, for every condition, split and relation, in the order of the conditions and of
  /// the facts. A fact without rows lowers n, never `planned`.
  std::vector<SummaryRow> end();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The same of rows that lie in memory.
std::vector<SummaryRow> aggregate(std::vector<PromptMetrics> const& rows, std::vector<FactPlace> const& facts,
                                  std::vector<std::string> const& conditions, EvaluationPlan const& asked = {});

}  // namespace onemask
