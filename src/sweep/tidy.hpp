#pragma once

#include "sweep/run_context.hpp"

namespace onemask {

/// Removes what killed starts left in the run folder: checkpoints of masks that are in the store, and temporary files that nobody
/// has written to for an hour. Whoever else uses the folder, such as `onemask gather`, is not disturbed.
void tidy(RunContext const& run);

}  // namespace onemask
