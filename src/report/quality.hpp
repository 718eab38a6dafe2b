#pragma once

#include "report/summary.hpp"
#include <onemask/report/document.hpp>

#include <vector>

namespace onemask {

/// A table of scores with several lines for each model, and what its columns mean.
struct QualityBlock {
  DocumentBlock block;
  char const* definition;  ///< lines that end in '\n'; the same pointer for tables of one form
};

/// The tables of a group of facts beside that of RSR: CounterFact's quality of edits where the neighborhood is scored, further
/// prompts, superficial editing, token accuracy and what is given that the edit took, as far as the summary has them. Every kind
/// of model, and with `per_mask` every study point, has a line for each score.
std::vector<QualityBlock> quality_blocks(Summary const& summary, EditedModels const& edits, Group const& group, bool per_mask);

}  // namespace onemask
