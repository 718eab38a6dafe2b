#pragma once

#include <onemask/settings/condition_kind.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// Some facts of a set, looked at in the unedited and the edited model, or in both under a mask. In the object, facts are
/// numbered from the task's first.
struct AnalysisTask {
  std::size_t set = 0;
  std::ptrdiff_t mask = -1;             ///< index in Plan::masks; -1: none
  std::vector<std::size_t> facts = {};  ///< of the plan
  std::string key = {};                 ///< object

  /// The models of the object, in its order.
  std::vector<ConditionKind> models() const {
    return mask < 0 ? std::vector{ConditionKind::original, ConditionKind::edited}
                    : std::vector{ConditionKind::mask, ConditionKind::original_masked};
  }
  /// Those that dimensions of the residual stream are tracked in, where there is a mask.
  static std::vector<ConditionKind> tracked_models() {
    return {ConditionKind::original, ConditionKind::edited, ConditionKind::mask, ConditionKind::original_masked};
  }
};

}  // namespace onemask
