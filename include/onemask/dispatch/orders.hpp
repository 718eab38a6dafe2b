#pragma once

#include <onemask/dispatch/run_ending.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace onemask {

/// These ranks are to do the task together, as a group; the first of them leads. Every attempt has a group of its own number, so
/// that reports of an earlier attempt are known as such.
struct RunTask {
  std::int32_t group = 0;
  std::size_t task = 0;  ///< index in the run's graph
  std::vector<int> ranks = {};

  bool operator==(RunTask const&) const = default;
};

/// One of the group's ranks is lost or has failed: the others leave it.
struct AbandonGroup {
  std::int32_t group = 0;

  bool operator==(AbandonGroup const&) const = default;
};

/// The task in hand is to end soon, so that it can go on later.
struct StopTask {
  bool operator==(StopTask const&) const = default;
};

/// The study file is to be written.
struct GatherResults {
  bool operator==(GatherResults const&) const = default;
};

/// There is no more work.
struct EndWork {
  RunEnding ending = {};

  bool operator==(EndWork const&) const = default;
};

/// The coordinator is there; nothing is to be done.
struct Alive {
  bool operator==(Alive const&) const = default;
};

/// The worker is to answer at once, with Present.
struct CheckPresence {
  bool operator==(CheckPresence const&) const = default;
};

/// What the coordinator tells a rank's worker.
using Order = std::variant<RunTask, AbandonGroup, StopTask, GatherResults, EndWork, Alive, CheckPresence>;

/// Why a task, or the gathering, failed on a rank.
struct Failure {
  enum class Kind : std::int32_t {
    error,   ///< another attempt, or another rank, may do better
    user,    ///< a mistake of the user's: no other rank would survive it either
    disk,    ///< the disk is full or broken: nor this
    device,  ///< as `error`, and this rank's device is lost: it can do no more
    defect,  ///< of the program: results would be wrong on every rank
  };
  Kind kind = Kind::error;
  std::string text = {};

  bool operator==(Failure const&) const = default;
};

/// The worker waits for its first task.
struct WorkerReady {
  int node = 0;  ///< number of its host

  bool operator==(WorkerReady const&) const = default;
};

/// The rank's part of the task is done.
struct TaskDone {
  std::int32_t group = 0;
  std::size_t task = 0;
  bool was_there = false;  ///< it was in the store, or in part in a checkpoint: the time that this took says nothing of the task

  bool operator==(TaskDone const&) const = default;
};

/// The task was stopped or abandoned.
struct TaskDropped {
  std::int32_t group = 0;
  std::size_t task = 0;

  bool operator==(TaskDropped const&) const = default;
};

struct TaskFailed {
  std::int32_t group = 0;
  std::size_t task = 0;
  Failure failure = {};

  bool operator==(TaskFailed const&) const = default;
};

struct TaskShare {
  std::size_t task = 0;
  double share = 0;  ///< of it that is done, 0 to 1

  bool operator==(TaskShare const&) const = default;
};

/// The answer to CheckPresence.
struct Present {
  bool operator==(Present const&) const = default;
};

/// A signal asked the worker's process to stop.
struct SignalReceived {
  bool operator==(SignalReceived const&) const = default;
};

/// The study file is written.
struct ResultsGathered {
  bool complete = false;  ///< everything planned is in it

  bool operator==(ResultsGathered const&) const = default;
};

struct GatherFailed {
  Failure failure = {};

  bool operator==(GatherFailed const&) const = default;
};

/// What a rank's worker tells the coordinator.
using Report = std::variant<WorkerReady, TaskDone, TaskDropped, TaskFailed, TaskShare, Present, SignalReceived, ResultsGathered,
                            GatherFailed>;

std::string to_bytes(Order const& order);
std::string to_bytes(Report const& report);

/// Throw std::logic_error when the bytes are not those of one whole message.
Order order_from_bytes(std::string_view bytes);
Report report_from_bytes(std::string_view bytes);

}  // namespace onemask
