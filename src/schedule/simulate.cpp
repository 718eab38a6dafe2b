#include <onemask/schedule/scheduler.hpp>
#include <onemask/schedule/simulate.hpp>

#include <algorithm>
#include <functional>
#include <queue>

namespace onemask {

double Simulation::bound() const {
  return std::max(work / ranks, critical_path);
}

Simulation simulate(TaskGraph const& graph, std::vector<bool> const& done, int ranks, int per_node) {
  Simulation result;
  result.ranks = ranks;
  auto left = graph;  // without what is done
  for (std::size_t t = 0; t < left.tasks.size(); ++t) {
    if (done[t]) left.tasks[t].seconds = 0;
    result.work += left.tasks[t].seconds;
  }
  for (auto seconds : seconds_to_end(left, ranks)) result.critical_path = std::max(result.critical_path, seconds);

  Scheduler scheduler(graph, done);
  for (int rank = 0; rank < ranks; ++rank) scheduler.join(rank, rank / per_node);
  using End = std::pair<double, std::size_t>;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends;
  for (;;) {
    while (auto const assignment = scheduler.next(result.makespan)) {
      auto const count = static_cast<int>(assignment->ranks.size());
      auto const seconds = seconds_on(graph.tasks[assignment->task], count);
      result.busy += seconds * count;
      ends.emplace(result.makespan + seconds, assignment->task);
    }
    if (ends.empty()) return result;
    result.makespan = ends.top().first;
    scheduler.finish(ends.top().second, result.makespan);
    ends.pop();
  }
}

}  // namespace onemask
