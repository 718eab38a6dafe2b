#pragma once

#include <onemask/comm/mailbox.hpp>
#include <onemask/core/status_line.hpp>
#include <onemask/dispatch/ending.hpp>
#include <onemask/dispatch/orders.hpp>
#include <onemask/dispatch/tally.hpp>
#include <onemask/schedule/scheduler.hpp>
#include <onemask/schedule/task_graph.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace onemask {

struct CoordinatorOptions {
  bool gathers = true;    ///< the study file is written at the end
  double deadline = 0;    ///< [s] without a sign of life after which a task is thought to hang; 0: from predictions
  double time_limit = 0;  ///< [s] after which the run stops as after a signal; 0: none
  double grace = 6;       ///< [s] that tasks in hand have to end after that
  double ping_every = 5;  ///< [s] between signs of life to the ranks; far less than the patience of their workers
  /// Tasks that other processes do; which of some are done; whether any process lives that does some.
  std::vector<bool> foreign = {};
  std::function<std::vector<std::size_t>(std::vector<std::size_t> const&)> done_of = {};
  std::function<bool(std::vector<std::size_t> const&)> owners_live = {};
  /// Which of some have failed and are not tried again by these processes; how to name those that do some.
  std::function<std::vector<std::size_t>(std::vector<std::size_t> const&)> failed_of = {};
  std::function<std::string(std::vector<std::size_t> const&)> owners_of = {};
};

/// Deals the tasks out to the ranks' workers, from a thread of rank 0 of its own, and goes on without ranks that are lost.
class Coordinator {
 public:
  Coordinator(TaskGraph const& graph, std::vector<bool> const& done, Mailbox& mailbox, CoordinatorOptions options);

  /// Until everything is done, failed or stopped; then every worker is told to end. Ends at once when `stop` is asked for.
  /// Returns how it ended, and whether some workers, or that of rank 0, are still in tasks that they cannot leave. What it throws
  /// the workers have been told as the end.
  std::pair<RunEnding, bool> run(std::stop_token const& stop = {});

  /// Safe to call from other threads.
  std::vector<StageRecord> stages() const;
  nlohmann::ordered_json snapshot() const;

 private:
  using Clock = std::chrono::steady_clock;
  /// A task in the hands of ranks.
  struct Active {
    std::vector<int> ranks;
    std::int32_t group;
    std::set<int> waiting;  ///< ranks that have not reported
    double seen;            ///< [s] when it began, or was heard of last
    bool lead_done = false, measured = false, hung = false;
    double abandoned = -1;                                ///< [s] when its ranks were told
    std::optional<std::pair<int, Failure>> failure = {};  ///< and the rank that it happened on
  };

  double now() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void tell(int rank, Order const& order) { mailbox_.send(rank, Mailbox::Recipient::worker, to_bytes(order)); }
  std::pair<RunEnding, bool> coordinate(std::stop_token const& stop);
  void end_all(Ending const& failure);
  bool answer_all();
  void deal();
  void take(int from, WorkerReady const& report);
  void take(int from, TaskDone const& report);
  void take(int from, TaskDropped const& report);
  void take(int from, TaskFailed const& report);
  void take(int from, TaskShare const& report);
  void take(int from, Present const& report);
  void take(int from, SignalReceived const& report);
  void take(int from, ResultsGathered const& report);
  void take(int from, GatherFailed const& report);
  void assign(Assignment const& assignment);
  Active* part_ended(int from, std::int32_t group, std::size_t task);
  void conclude_if_all_ended(std::size_t task);
  void abandon(std::size_t task);
  void conclude(std::size_t task);
  void lose(int rank, std::string const& reason, bool dead);
  void look_around();
  void look_for_signal();
  void look_for_losses();
  void look_for_hangs();
  void look_for_foreign();
  void ask_to_stop(RunEnding::End end, std::string const& sentence);
  void stop_for(Failure const& failure);
  std::vector<std::size_t> foreign_tasks(bool due) const;
  bool may_end();
  bool ends_without_others();
  void gather(std::stop_token const& stop);
  void ping();
  void check_presence();
  void call(std::set<int> const& ranks);
  void publish();
  std::size_t ranks_left() const { return static_cast<std::size_t>(mailbox_.size()) - lost_.size(); }
  Tally::Measured measured() const;
  double seconds_left() const;
  std::string status() const;

  TaskGraph const& graph_;
  Mailbox& mailbox_;
  CoordinatorOptions options_;
  Scheduler scheduler_;
  Tally tally_;
  Clock::time_point start_ = Clock::now();
  std::map<std::size_t, Active> active_;
  std::set<int> ready_, absent_;
  std::set<int> lost_, dead_, hung_;  ///< given up; of these the ended ones; those that do not answer
  std::int32_t group_ = 0;            ///< number of the last one
  bool changed_ = true, stopping_ = false;
  double stop_began_ = 0, looked_ = 0, pinged_ = 0, published_ = 0, searched_ = 0, asked_ = 0;
  std::optional<ResultsGathered> gathered_;
  std::optional<Failure> gather_failure_;
  RunEnding ending_;
  StatusLine line_;

  mutable std::mutex mutex_;  ///< of what follows
  std::vector<StageRecord> stages_;
  std::shared_ptr<nlohmann::ordered_json const> snapshot_;
};

}  // namespace onemask
