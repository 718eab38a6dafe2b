#pragma once

#include <onemask/schedule/task_graph.hpp>

#include <vector>

namespace onemask {

/// What a run would be like if every task took the time predicted for it.
struct Simulation {
  int ranks = 0;
  double makespan = 0;       ///< [s] from start to end
  double work = 0;           ///< [s] of all tasks on one rank
  double busy = 0;           ///< [s] that ranks spend in tasks, summed over ranks
  double critical_path = 0;  ///< [s] of the longest chain of tasks that wait for each other, groups as large as help
  /// The end cannot come sooner than this [s], whoever schedules.
  double bound() const;
  double efficiency() const { return makespan > 0 ? bound() / makespan : 1; }
};

/// Runs the scheduler over the tasks that are not `done`, on `ranks` ranks of which `per_node` share a node.
Simulation simulate(TaskGraph const& graph, std::vector<bool> const& done, int ranks, int per_node);

}  // namespace onemask
