#pragma once

#include "sweep/run_context.hpp"

namespace onemask {

/// Whether a process does tasks, or only plans and gathers, for which it need not see the GPUs that the study asks for.
enum class Tasks { done_here, done_elsewhere };

/// Loads the model and makes the plan. Collective; throws on every rank when one fails. `study` and `options` must outlive the
/// result.
RunContext open_run(Environment const& environment, Study const& study, RunOptions const& options, Tasks tasks);

}  // namespace onemask
