#pragma once

#include <onemask/settings/condition_kind.hpp>
#include <onemask/settings/field.hpp>

#include <vector>

namespace onemask {

/// How masks are scored.
struct EvaluationPlan {
  int batch = 16;  ///< facts per unit of work
  std::vector<ConditionKind> baselines = {ConditionKind::random, ConditionKind::magnitude, ConditionKind::delta_magnitude};
  bool paraphrases = true;
  bool neighborhood = false;    ///< score other subjects with the same true object
  bool masked_original = true;  ///< score the unedited model under each mask as well
  bool drop = false;            ///< score the model without the edited matrices
};

template <>
Fields<EvaluationPlan> const& fields_of<EvaluationPlan>();

}  // namespace onemask
