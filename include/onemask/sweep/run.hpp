#pragma once

#include <onemask/comm/environment.hpp>
#include <onemask/sweep/study.hpp>

#include <filesystem>

namespace onemask {

/// How far a run goes. Each stage does the earlier ones' missing work first.
enum class Stage { edit, mask, evaluate, gather };

struct RunOptions {
  std::filesystem::path folder;   ///< RUN: plan, journal, checkpoints, logs, study.h5
  std::filesystem::path objects;  ///< edits, masks and evaluations, named by their content; runs may share it. Empty: RUN/objects
  Stage last = Stage::gather;
  bool only_gather = false;  ///< no work, only study.h5 from what is there, which may be partial
};

struct RunOutcome {
  bool complete = false;             ///< every task planned for the stages run has its result
  std::filesystem::path study_file;  ///< RUN/study.h5, when the gather stage ran
};

/// Runs a study over all ranks of `environment`, or what is left of it: plan, edits, masks, evaluation, gather. Collective; the
/// same bits on any number of ranks and after any interruption. Throws on every rank when one fails (see agree). A folder that
/// holds another study, or that another process runs in, is a UserError.
RunOutcome run_study(Environment const& environment, Study const& study, RunOptions const& options);

}  // namespace onemask
