#pragma once

#include <onemask/work/work_context.hpp>

namespace onemask {

/// Reads the finished edits of a task's facts, and puts one object for each into the store. Throws UserError when a file is not
/// what it was when the plan was made.
void import_edits(WorkContext const& run, EditTask const& task);
/// Reads the finished edit that all facts of the task are in.
void import_model(WorkContext const& run, SolveTask const& task);

}  // namespace onemask
