#pragma once

#include <onemask/settings/attention_patch.hpp>
#include <onemask/settings/baseline.hpp>
#include <onemask/settings/field.hpp>
#include <onemask/settings/prompt_kind.hpp>

#include <vector>

namespace onemask {

/// How masks are scored.
struct EvaluationPlan {
  int batch = 16;  ///< facts per unit of work
  std::vector<Baseline> baselines = {{BaselineScore::random}, {BaselineScore::magnitude}, {BaselineScore::delta_magnitude}};
  std::vector<Cover> cover = {Cover::both};  ///< what masks are put on, one after the other
  bool paraphrases = true;
  bool neighborhood = false;               ///< score other subjects with the same true object
  bool masked_original = true;             ///< score the unedited model under each mask as well
  bool drop = true;                        ///< score the model without the edited matrices
  bool transfer = false;                   ///< score every mask on all ways of editing that change its layers
  bool consensus = false;                  ///< score the mean of the masks that differ in their seed alone, as a mask more
  std::vector<AttentionPatch> patch = {};  ///< models that are scored with the attention of others
  std::vector<PromptKind> prompts = {};    ///< further kinds of prompts
  bool token_accuracy = false;             ///< score the tokens of the objects one by one
  int generate = 0;                        ///< tokens written behind the rewrite prompt; 0: none
  int entropy = 0;                         ///< tokens written behind each generation prompt; 0: none

  bool scores(PromptKind kind) const;
  /// Kinds of prompts that are scored, in the order of PromptKind.
  std::vector<PromptKind> kinds() const;
  /// Whether the tokens of the objects are scored one by one: asked for, or needed for OM behind `rep` and `que`.
  bool scores_tokens() const;
};

template <>
Fields<EvaluationPlan> const& fields_of<EvaluationPlan>();

}  // namespace onemask
