#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/store/journal.hpp>

#include <cstddef>
#include <functional>
#include <string>

namespace onemask {

/// The surroundings of a task while it runs.
struct TaskContext {
  Communicator group;                    ///< ranks that do it together
  std::function<bool()> stopped;         ///< whether it is to end soon, so that it can go on later
  std::function<void(double)> progress;  ///< takes the share that is done
  std::function<void(double)> resumes;   ///< takes the share that was done before, where the task goes on from a checkpoint
  std::function<void(std::string const&)> sums_through = [](std::string const&) {};  ///< takes what carries the group's sums
};

/// How a rank does tasks. `task` is an index in the run's graph.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;

  /// Whether its results are stored.
  virtual bool is_done(std::size_t task) const = 0;
  /// Called on every rank of the task's group; when it returns true the results are stored. False: it was stopped, and goes on
  /// from a checkpoint later.
  virtual bool run(std::size_t task, TaskContext const& context) = 0;
  /// What the journal says of the task, whatever becomes of it: its id, object and units of work.
  virtual JournalRecord record(std::size_t task) const = 0;
  /// Drops what is kept from task to task.
  virtual void drop_caches() = 0;
  /// Whether this rank's device still answers.
  virtual bool is_fit() const = 0;
};

}  // namespace onemask
