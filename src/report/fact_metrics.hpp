#pragma once

#include <onemask/settings/condition_kind.hpp>
#include <onemask/settings/prompt_kind.hpp>

#include <string>

namespace onemask {

/// What a row of the table "metrics" says of a prompt, under the names of its columns.
struct PromptScore {
  double lp_true, lp_new, tokens_true, tokens_new, kl, rank_true, rank_new, top1_changed, overlap5, overlap10, overlap100;
  double acc_true, acc_new, gen_true, gen_new, entropy;  ///< only where the study has them
};

/// A score of a prompt: those of the table "summary", and "confidence", the probability of the object that the model should
/// state, which is the new one of an edited model and the true one of all others: exp of the mean log-probability of its tokens.
struct FactMetric {
  char const* name;
  bool yes_no;
  char const* column;  ///< that it needs and not every study has; null: none
  /// NaN where the model's numbers have left their range.
  double (*value)(PromptScore const& prompt, ConditionKind kind);
};

/// Throws UserError, naming those there are, for a metric that is not known or that prompts of this kind do not have.
FactMetric const& fact_metric(std::string const& name, PromptKind prompts);

}  // namespace onemask
