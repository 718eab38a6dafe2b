#pragma once

#include <onemask/data/candidates.hpp>

#include <string>
#include <vector>

namespace onemask {

/// Throws UserError, naming some of the facts, when a split has facts of a split that masks are trained on and does not allow it.
/// Of two splits that masks are trained on the later one is asked.
void require_disjoint(std::vector<ChosenFacts> const& splits, std::vector<std::string> const& training_splits);

}  // namespace onemask
