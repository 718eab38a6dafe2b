#pragma once

#include "tune/ladder.hpp"
#include <onemask/store/journal.hpp>

#include <vector>

namespace onemask {

/// The rate by the journal of a run that edited and scored one unit of facts, whose last start has this number and took `wall`
/// seconds on so many ranks. A unit costs what every start together did; second moments are no part of it. The rest of a rung is
/// what the last start took beside the tasks of its busiest rank. Throws UserError where no time is told.
MeasuredRate rate_of(std::vector<JournalRecord> const& records, int attempt, double wall, int ranks);

}  // namespace onemask
