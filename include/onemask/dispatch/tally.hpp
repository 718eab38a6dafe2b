#pragma once

#include <onemask/schedule/stage_record.hpp>
#include <onemask/schedule/task_graph.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace onemask {

/// Counts how far a run is, by kind of task, and estimates how long it will still take.
class Tally {
 public:
  /// Measured seconds of tasks of a kind by predicted ones, from those that have ended; 0: none has.
  using Measured = std::function<double(std::size_t kind)>;

  /// `foreign[t]`: others do task t, so that its time is not waited for; empty: none.
  Tally(TaskGraph const& graph, std::vector<bool> const& done, std::vector<bool> foreign = {});

  /// At `now` [s since the beginning] a task begins on so many ranks, or is through.
  void begin(std::size_t task, int ranks, double now);
  void end(std::size_t task, double now, bool finished);
  /// A task that another shard did.
  void found(std::size_t task);
  /// A task in hand says which share of it is done.
  void set_share(std::size_t task, double share, double now);
  /// A task that failed too often, and everything that waits for it. Its first reason stays.
  void add_failed(std::size_t task, std::string reason);

  /// Everything is done.
  bool complete() const;
  /// "masks 1.4 of 4, 2 running; edits 17 of 28, 11 waiting": first what runs, with the shares that are done of it, then what has
  /// begun and waits. Empty when there is neither.
  std::string line(Measured const& measured, double now) const;
  /// Seconds until so many ranks have done everything. Tasks in hand end at the pace that they report, or after the time that was
  /// predicted for them; never before they have, so 0 means longer than predicted.
  double seconds_left(Measured const& measured, std::size_t ranks, double now) const;
  /// Share of `ranks` ranks' time that was spent in tasks.
  double busy(int ranks, double now) const;
  std::vector<StageRecord> stages() const;
  nlohmann::ordered_json json() const;
  std::string failures() const;  ///< the first reasons, as a sentence

 private:
  struct Kind {
    std::size_t tasks = 0, before = 0, done = 0, running = 0, failed = 0;
    double waiting = 0;  ///< predicted seconds of what nobody has begun, on one rank; without what others do
    double first = -1, last = 0, busy = 0;
    int ranks = 0;

    std::size_t through() const { return before + done; }
    std::size_t left() const { return tasks - std::min(tasks, through() + running + failed); }  ///< that nobody has begun
  };
  /// A share that is done, and when.
  struct Mark {
    double share, at;
  };
  struct Running {
    int ranks;
    double began;
    std::vector<Mark> marks = {};  ///< the first and the last that it told
  };
  void expect_sense(std::size_t task);
  Kind& kind_of(std::size_t task) { return kinds_[graph_.tasks[task].kind]; }
  double seconds_of(std::size_t task) const { return !foreign_.empty() && foreign_[task] ? 0 : graph_.tasks[task].seconds; }
  static double share(Running const& running) { return running.marks.empty() ? 0 : running.marks.back().share; }
  static double seconds_of_all(Running const& running);
  double rest(std::size_t task, Running const& running, double scale, double now) const;
  std::vector<double> scales(Measured const& measured) const;

  TaskGraph const& graph_;
  std::vector<bool> foreign_;
  std::vector<Kind> kinds_;
  std::map<std::size_t, Running> running_;
  std::map<std::size_t, std::string> reasons_;
};

}  // namespace onemask
