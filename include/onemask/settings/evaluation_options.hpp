#pragma once

#include <string>
#include <vector>

namespace onemask {

/// How masks are scored.
struct EvaluationPlan {
  int batch = 16;  ///< facts per unit of work
  std::vector<std::string> baselines = {"random", "magnitude", "delta_magnitude"};
  bool paraphrases = true;
  bool neighborhood = false;    ///< score other subjects with the same true object
  bool masked_original = true;  ///< score the unedited model under each mask as well
};

}  // namespace onemask
