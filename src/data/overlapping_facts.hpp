#pragma once

#include <onemask/data/candidates.hpp>

#include <string>
#include <vector>

namespace onemask {

/// Throws UserError, naming some of the facts, when a split has facts of the split that masks are trained on and does not allow
/// it. `training_split` is "" where no masks are trained.
void require_disjoint(std::vector<ChosenFacts> const& splits, std::string const& training_split);

}  // namespace onemask
