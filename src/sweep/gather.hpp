#pragma once

#include "sweep/run_context.hpp"
#include <onemask/store/study_file.hpp>

namespace onemask {

/// Everything the run has so far, as the tables of study.h5 (docs/results.md). Rank 0 only.
StudyFile gather(RunContext const& run);

}  // namespace onemask
