#pragma once

#include <onemask/comm/environment.hpp>
#include <onemask/dispatch/run_ending.hpp>
#include <onemask/plan/task_list.hpp>
#include <onemask/study/study.hpp>

#include <filesystem>
#include <string>

namespace onemask {

/// A part of a study's tasks, for processes that share a run folder without MPI.
struct Shard {
  int index = 0, count = 1;  ///< 0 <= index < count
};

struct RunOptions {
  std::filesystem::path folder;   ///< RUN: plan, journal, checkpoints, logs, study.h5
  std::filesystem::path objects;  ///< edits, masks and evaluations, named by their content; runs may share it. Empty: RUN/objects
  Stage last = Stage::gather;
  Shard shard = {};
  double time_limit = 0;  ///< [s] after which the run stops as after a signal; 0: none
  double deadline = 0;    ///< [s] without a sign of life after which a task's ranks are given up; 0: 20 times what was measured

  std::filesystem::path objects_folder() const { return objects.empty() ? folder / "objects" : objects; }
};

struct RunOutcome {
  RunEnding ending;
  std::filesystem::path study_file = {};  ///< RUN/study.h5, when it was written
};

/// Throws UserError where a mask is to be trained by more ranks (mask.ranks) than there are.
void require_ranks(Study const& study, Stage last, int ranks);

/// Runs a study over all ranks of `environment`, or what is left of it: plan, edits, masks, evaluation, gather. Collective; the
/// same bits on any number of ranks and after any interruption. A task that fails is tried twice more, then given up; the others
/// go on. Ranks that die or hang are given up, where MPI allows it (ULFM). Throws on every rank that is left: UserError for a
/// folder that holds another study, or that another process runs in. A run that cannot end otherwise, because ranks are stuck, is
/// aborted with the exit code.
RunOutcome run_study(Environment const& environment, Study const& study, RunOptions const& options);

/// Writes RUN/study.h5 from what is there, which may be partial; a run may go on beside it. Collective.
RunOutcome gather_study(Environment const& environment, Study const& study, RunOptions const& options);

}  // namespace onemask
