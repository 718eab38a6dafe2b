#include <onemask/schedule/task_graph.hpp>

#include <algorithm>
#include <cmath>

namespace onemask {
namespace {

constexpr double exchange = 0.03;  // of a task's time, for every doubling of its group

int most_ranks(Task const& task, int ranks) {
  return std::max(1, std::min(static_cast<int>(std::min<std::uint32_t>(task.parts, 1U << 30)), ranks));
}

}  // namespace

double seconds_on(Task const& task, int ranks) {
  auto const parts = static_cast<double>(task.parts);
  auto const used = static_cast<double>(std::clamp(ranks, 1, most_ranks(task, ranks)));
  return task.seconds * (std::ceil(parts / used) / parts) * (1 + exchange * std::log2(used));
}

int group_size(Task const& task, std::size_t tasks, int ranks) {
  if (task.ranks > 0) return std::min(static_cast<int>(task.ranks), ranks);
  int best = 1;
  double soonest = 0;
  for (int size = 1; size <= most_ranks(task, ranks); ++size) {
    auto const groups = static_cast<std::size_t>(ranks / size);
    auto const rounds = static_cast<double>((std::max<std::size_t>(tasks, 1) + groups - 1) / groups);
    auto const end = rounds * seconds_on(task, size);
    if (size > 1 && end >= soonest) continue;
    best = size;
    soonest = end;
  }
  return best;
}

std::vector<double> seconds_to_end(TaskGraph const& graph, int ranks) {
  std::vector<double> result(graph.tasks.size());
  for (std::size_t t = graph.tasks.size(); t-- > 0;) {
    auto const& task = graph.tasks[t];
    result[t] += seconds_on(task, group_size(task, 1, ranks));
    for (auto before : task.after) result[before] = std::max(result[before], result[t]);
  }
  return result;
}

}  // namespace onemask
