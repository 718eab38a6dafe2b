#pragma once

#include <onemask/core/names.hpp>
#include <onemask/settings/condition_kind.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace onemask {

/// Prompts of a fact, as the column "kind" of the table "metrics" numbers them and "prompts" of "summary" names them.
enum class FactPrompts : std::int64_t { rewrite, paraphrase, neighborhood };
inline constexpr std::array<Named<FactPrompts>, 3> fact_prompts_names{
    {{FactPrompts::rewrite, "rewrite"}, {FactPrompts::paraphrase, "paraphrase"}, {FactPrompts::neighborhood, "neighborhood"}}};

/// What a row of the table "metrics" says of a prompt, under the names of its columns.
struct PromptScore {
  double lp_true, lp_new, tokens_true, tokens_new, kl, rank_true, top1_changed, overlap5, overlap10, overlap100;
};

/// A score of a prompt: those of the table "summary", and "confidence", the probability of the object that the model should
/// state, which is the new one of an edited model and the true one of all others: exp of the mean log-probability of its tokens.
struct FactMetric {
  char const* name;
  bool yes_no;
  /// NaN where the model's numbers have left their range.
  double (*value)(PromptScore const& prompt, ConditionKind kind);
};

/// Throws UserError, naming those there are, for a metric that is not known or that prompts of this kind do not have.
FactMetric const& fact_metric(std::string const& name, FactPrompts prompts);

}  // namespace onemask
