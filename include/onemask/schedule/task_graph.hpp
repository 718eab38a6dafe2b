#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// A unit of work as the scheduler sees it.
struct Task {
  std::uint32_t kind = 0;                 ///< in TaskGraph::kinds
  double seconds = 0;                     ///< predicted, on one rank; 0: see TaskGraph::is_join
  std::uint32_t parts = 1;                ///< equal parts of each of its steps; more than one: a group of ranks shares them out
  std::uint32_t ranks = 0;                ///< in the group, where that is asked for; 0: as many as suit
  std::uint32_t affinity = 0;             ///< tasks of one affinity share what one rank has to prepare; 0: with none
  std::vector<std::uint32_t> after = {};  ///< tasks that must be done before
};

/// Everything there is to do, and in which order. A task comes after those that it waits for.
struct TaskGraph {
  std::vector<std::string> kinds;
  std::vector<Task> tasks;

  /// A task without work of its own: it is passed as soon as all before it is done.
  bool is_join(std::size_t task) const { return tasks[task].seconds == 0; }
};

/// Predicted seconds of a task on a group of ranks: its steps wait for the rank with most parts, and every doubling of the group
/// costs a little for the exchange.
double seconds_on(Task const& task, int ranks);

/// The size of the group on which `tasks` tasks like this one end soonest on `ranks` ranks.
int group_size(Task const& task, std::size_t tasks, int ranks);

/// Predicted seconds from the beginning of each task to the end of all that waits for it, with any number of ranks.
std::vector<double> seconds_to_end(TaskGraph const& graph, int ranks);

}  // namespace onemask
