#pragma once

#include "sweep/run_context.hpp"
#include <onemask/mask/training_set.hpp>

#include <string>
#include <vector>

namespace onemask {

/// The facts of a split that have an edit in the set, ready for training.
std::vector<MaskFact> mask_facts(RunContext const& run, EditSet const& set, std::string const& split);

}  // namespace onemask
