#pragma once

#include "report/fact_metrics.hpp"
#include <onemask/store/study_file.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// The tables "facts" and "metrics" of a study file, for scores by fact. The study must outlive it.
class FactScores {
 public:
  /// Which columns there are: all; fact, condition, kind, lp_true and lp_new; these and the ranks; or these, the numbers of
  /// tokens, kl and top1_changed.
  enum class Of { everything, rsr, outcomes, changes };

  /// Throws UserError when a table or column is missing, or a row is of no fact or condition of the file.
  explicit FactScores(StudyFile const& study, Of of = Of::everything);

  /// Of every fact of the study.
  std::vector<std::string> const& splits() const { return *splits_; }
  std::vector<std::string> const& relations() const { return *relations_; }
  /// By fact: the mean of the metric over its prompts under the condition of this name and kind; NaN where it has none.
  std::vector<double> means(std::string const& condition, ConditionKind kind, FactMetric const& metric, PromptKind prompts) const;
  /// What a condition says after a fact's rewrite prompt; false where the fact is not scored under it.
  struct Outcome {
    bool scored = false;
    bool known = false;      ///< the likeliest token is the first of the true object
    bool took = false;       ///< the new object is likelier than the true one
    bool took_top1 = false;  ///< and the likeliest token is its first
  };
  std::vector<Outcome> outcomes(std::string const& condition) const;
  /// Whether the study has the column that a metric needs.
  bool has(FactMetric const& metric) const { return metric.column == nullptr || metrics_->find(metric.column) != nullptr; }

 private:
  /// use(fact, score) for every such prompt.
  template <class Use>
  void for_prompts(std::string const& condition, PromptKind prompts, Use const& use) const;

  struct RealColumn {
    std::vector<double> const* values;
    double PromptScore::*member;
  };
  struct WholeColumn {
    std::vector<std::int64_t> const* values;
    double PromptScore::*member;
  };

  Table const* metrics_;
  std::vector<std::string> const *names_, *splits_, *relations_;
  std::vector<std::int64_t> const *facts_, *kinds_;
  std::vector<RealColumn> real_;
  std::vector<WholeColumn> whole_;
  std::vector<std::size_t> rows_;    ///< of "metrics", condition by condition
  std::vector<std::size_t> begins_;  ///< of each condition in rows_, and the end
};

}  // namespace onemask
