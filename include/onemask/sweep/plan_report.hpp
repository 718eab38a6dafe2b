#pragma once

#include <onemask/data/candidates.hpp>
#include <onemask/schedule/simulate.hpp>
#include <onemask/sweep/run.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// The tasks of one kind in a plan.
struct PlannedKind {
  std::string name;
  std::size_t tasks = 0, done = 0;
  std::size_t measured = 0;  ///< finished tasks that the prediction rests on; 0: a guess from the model's size
  double seconds = 0;        ///< predicted for what is left, on one rank
  double bytes = 0;          ///< predicted for the objects of what is left
};

/// What a study will do, before it does it.
struct PlanReport {
  std::string id, name;
  std::size_t facts = 0, edit_sets = 0, masks = 0;
  std::vector<KnownCount> known = {};           ///< as in Plan
  std::vector<PlannedKind> kinds = {};          ///< those with tasks
  Simulation simulation = {};                   ///< of what is left, on the ranks asked for
  std::vector<std::string> critical_path = {};  ///< e.g. "edits 7.1 s", one entry per task of it
};

struct PlanQuestion {
  int ranks = 1, ranks_per_node = 8;
  std::filesystem::path like;  ///< another run, whose measured task times are used as well; empty: none
};

/// Makes the plan of a study, freezes it in RUN/plan.json and compares it with what is in the object store. Collective, like
/// run_study.
PlanReport plan_study(Environment const& environment, Study const& study, RunOptions const& options,
                      PlanQuestion const& question);

}  // namespace onemask
