#pragma once

#include <onemask/comm/communicator.hpp>

#include <cstddef>
#include <memory>
#include <optional>

namespace onemask {

/// Deals the tasks 0 … tasks-1 out to whichever rank is free: each index once, over all ranks, in ascending order.
///
/// Rank 0 keeps the count and answers the others from a thread of its own, so that nobody waits while it works on a task itself.
/// Construction and destruction are collective. A rank that leaves by an exception stops the queue for all: the others get no
/// further tasks and come to their own destructor soon. Wrap the life of the queue in `agree`, so that they learn of the failure:
///
///   agree(comm, [&] {
///     TaskQueue queue(comm, edits.size());
///     while (auto task = queue.next()) run(edits[*task]);
///   });
class TaskQueue {
 public:
  /// `tasks` counts on rank 0 only.
  TaskQueue(Communicator const& comm, std::size_t tasks);
  ~TaskQueue();
  TaskQueue(TaskQueue const&) = delete;
  TaskQueue& operator=(TaskQueue const&) = delete;

  /// The next task that nobody has, or nothing when all are dealt out or the queue was stopped.
  std::optional<std::size_t> next();

  /// No rank gets a further task. May be called by any rank alone, more than once.
  void stop();

  class Backend;

 private:
  int exceptions_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace onemask
