#pragma once

#include "sweep/run_context.hpp"

namespace onemask {

/// Loads the model and makes the plan. Collective; throws on every rank when one fails. `study` and `options` must outlive the
/// result.
RunContext open_run(Environment const& environment, Study const& study, RunOptions const& options);

}  // namespace onemask
