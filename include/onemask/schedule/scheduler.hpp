#pragma once

#include <onemask/schedule/task_graph.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace onemask {

/// A task and the ranks that work on it together; the first of them leads.
struct Assignment {
  std::size_t task = 0;
  std::vector<int> ranks;
};

/// Decides which rank does what next. It knows neither messages nor clocks: who calls it tells it what happened and when [s], so
/// that a run and its simulation go through the same decisions.
///
/// - The task with the longest way to the end of everything comes first.
/// - A task that ranks share out gets a group as large as lets all its like end soonest, on one node if it can; free ranks wait
///   for the rest of their group only with tasks that are over before the group is together.
/// - A rank goes on with tasks of the same affinity while they are about as urgent as anything else.
/// - Ranks that turn out slower than others are not given a task that a faster one, though busy, would end sooner.
/// - A task that fails is tried again, on another rank if there is one; after `attempts` times it has failed for good, and with
///   it all that waits for it.
class Scheduler {
 public:
  static constexpr int attempts = 3;

  /// `done[t]`: task t needs no work. No rank takes part before `join`. `graph` must outlive the scheduler.
  /// `foreign[t]`: somebody else does it, see `done_elsewhere`.
  Scheduler(TaskGraph const& graph, std::vector<bool> const& done, std::vector<bool> const& foreign = {});

  /// A rank is there and free. `node` is the number of its host.
  void join(int rank, int node);
  /// A rank is gone. What it worked on comes back with `give_back`.
  void leave(int rank);

  /// The next assignment to start now, if there is one. Its ranks are busy until the task is finished, failed or given back.
  std::optional<Assignment> next(double now);
  /// `measured`: how long it took tells of others.
  void finish(std::size_t task, double now, bool measured = true);
  /// Whether the task has failed for good. `culprit` is the rank that it failed on.
  bool fail(std::size_t task, int culprit);
  /// A task that was dropped through no fault of its own is to be done again.
  void give_back(std::size_t task);

  /// A foreign task is done.
  void done_elsewhere(std::size_t task);
  /// Whether a foreign task waits for nothing but whoever does it.
  bool is_due_elsewhere(std::size_t task) const { return states_[task] == State::waiting && waits_for_[task] == 1; }

  std::size_t running() const { return running_.size(); }
  /// Nothing runs, and nothing that is left can be started.
  bool over() const { return running_.empty() && ready_count_ == 0; }
  std::size_t free_ranks() const { return free_.size(); }

  enum class State : std::uint8_t { waiting, ready, running, done, failed };
  State state(std::size_t task) const { return states_[task]; }
  Assignment const* running(std::size_t task) const;
  /// When a running task began, and how long it is thought to take [s].
  double began(std::size_t task) const { return running_.at(task).began; }
  double predicted(std::size_t task) const { return running_.at(task).seconds; }
  /// Measured seconds of tasks of a kind by predicted ones; 0: none has ended yet.
  double scale(std::size_t kind) const { return scale_[kind]; }

 private:
  struct Rank {
    int node = 0;
    double speed = 1;  ///< 2: needs half the time of others
    std::uint32_t affinity = 0;
  };
  struct Running {
    Assignment assignment;
    double began, seconds;
  };
  /// Ready tasks of one affinity; a task without one is a group of its own.
  struct AffinityGroup {
    std::set<std::size_t> tasks;
    int ranks = 0;  ///< whose last task was of it
  };
  /// Order of ready groups: urgency in steps of some per cent, then those that no rank works in, then the order of the plan.
  using Priority = std::array<std::int64_t, 3>;

  std::uint64_t affinity_of(std::size_t task) const;
  Priority priority_of(std::uint64_t affinity) const;
  template <class Change>
  void change_group(std::uint64_t affinity, Change const& change);
  void make_ready(std::size_t task);
  void take(std::size_t task);
  void fail_with_followers(std::size_t task);
  void set_done(std::size_t task);
  Assignment release(std::size_t task);
  void measure(Running const& ended, double now);
  double expected(std::size_t task, double speed) const;
  bool avoids(std::size_t task, int rank) const;
  bool worth_it(std::size_t task, int rank, double now) const;
  std::optional<std::size_t> choose(int rank, double now, double until) const;
  std::optional<Assignment> next_group(double now, double& until);
  double end_of(Running const& running, double now) const;
  std::vector<int> near_ranks(std::size_t count, std::size_t task) const;
  Assignment start(std::size_t task, std::vector<int> ranks, double now);

  TaskGraph const& graph_;
  std::vector<double> urgency_;
  std::vector<State> states_;
  std::vector<std::uint32_t> waits_for_;
  std::vector<std::vector<std::uint32_t>> followers_;
  std::map<std::uint64_t, AffinityGroup> affinity_groups_;
  std::map<Priority, std::uint64_t> ready_;          ///< affinities of the groups with ready tasks of one rank
  std::set<std::pair<double, std::size_t>> groups_;  ///< ready tasks that ranks share out, most urgent first
  std::size_t ready_count_ = 0;
  std::map<std::size_t, Running> running_;
  std::map<std::size_t, std::vector<int>> failures_;  ///< ranks that a task failed on
  std::map<int, Rank> ranks_;
  std::set<int> free_;
  std::vector<double> scale_;  ///< of each kind: measured seconds by predicted ones, 0: none yet
};

}  // namespace onemask
