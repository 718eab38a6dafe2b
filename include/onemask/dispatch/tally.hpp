#pragma once

#include <onemask/schedule/stage_record.hpp>
#include <onemask/schedule/task_graph.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace onemask {

/// Counts how far a run is, by kind of task.
class Tally {
 public:
  Tally(TaskGraph const& graph, std::vector<bool> const& done);

  /// At `now` [s since the beginning] a task begins on so many ranks, or is through.
  void begin(std::size_t task, int ranks, double now);
  void end(std::size_t task, double now, bool finished);
  /// A task that another shard did.
  void found(std::size_t task);
  void set_share(std::size_t task, double share);
  /// A task that failed too often, and everything that waits for it. Its first reason stays.
  void set_aside(std::size_t task, std::string reason);

  /// Everything is done.
  bool complete() const;
  /// "edits 12 of 96, masks 1.4 of 4", of kinds that are neither done nor untouched; with the shares of masks in hand.
  std::string line() const;
  /// Predicted seconds of work that is left, on one rank; `scale(kind)` corrects the prediction.
  template <class Scale>
  double left(Scale const& scale) const {
    double sum = 0;
    for (std::size_t k = 0; k < kinds_.size(); ++k) sum += kinds_[k].left * scale(k);
    return sum;
  }
  /// Share of `ranks` ranks' time that was spent in tasks.
  double busy(int ranks, double now) const;
  std::vector<StageRecord> stages() const;
  nlohmann::ordered_json json() const;
  std::string aside() const;  ///< the first reasons, as a sentence

 private:
  struct Kind {
    std::size_t tasks = 0, before = 0, done = 0, running = 0, aside = 0;
    double left = 0, first = -1, last = 0, busy = 0;
    int ranks = 0;
  };
  struct Running {
    int ranks;
    double began, share;
  };
  void expect_sense(std::size_t task);
  Kind& kind_of(std::size_t task) { return kinds_[graph_.tasks[task].kind]; }

  TaskGraph const& graph_;
  std::vector<Kind> kinds_;
  std::map<std::size_t, Running> running_;
  std::map<std::size_t, std::string> reasons_;
};

}  // namespace onemask
