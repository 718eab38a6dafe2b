#include "mpi_backend.hpp"
#include "mpi_call.hpp"
#include "wait.hpp"
#include <onemask/comm/task_queue.hpp>
#include <onemask/core/log.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace onemask {

class TaskQueue::Backend {
 public:
  virtual ~Backend() = default;
  virtual std::optional<std::size_t> next() = 0;
  virtual void stop() = 0;
};

namespace {

enum Tag : int { kNext = 1, kStop, kLeave, kTask };
constexpr std::int64_t kNoTask = -1;

/// The count itself; safe to use from several threads.
class Counter {
 public:
  explicit Counter(std::size_t tasks) : tasks_(tasks) {}

  std::optional<std::size_t> next() {
    std::lock_guard const lock(mutex_);
    if (next_ >= tasks_) return std::nullopt;
    return next_++;
  }
  void stop() {
    std::lock_guard const lock(mutex_);
    tasks_ = next_;
  }

 private:
  std::mutex mutex_;
  std::size_t next_ = 0, tasks_;
};

class LocalQueue : public TaskQueue::Backend {
 public:
  explicit LocalQueue(std::size_t tasks) : counter_(tasks) {}
  std::optional<std::size_t> next() override { return counter_.next(); }
  void stop() override { counter_.stop(); }

 private:
  Counter counter_;
};

/// Rank 0: keeps the count and serves the other ranks from a thread until all of them have left.
class ServingQueue : public TaskQueue::Backend {
 public:
  ServingQueue(Communicator comm, std::size_t tasks)
      : comm_(std::move(comm)), counter_(tasks), clients_(comm_.size() - 1), server_([this] { serve(); }) {}

  ~ServingQueue() override { server_.join(); }

  std::optional<std::size_t> next() override {
    if (failed_) std::rethrow_exception(failure_);
    return counter_.next();
  }
  void stop() override { counter_.stop(); }

 private:
  void serve() {
    try {
      for (Pace pace; clients_ > 0;) {
        if (answer_one()) {
          pace = Pace();
        } else {
          pace.step();
        }
      }
    } catch (...) {
      failure_ = std::current_exception();
      failed_ = true;
    }
  }

  bool answer_one() {
    MPI_Comm const handle = mpi_handle(comm_);
    int present = 0;
    MPI_Status status;
    check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, handle, &present, &status), "look for requests of ranks");
    if (present == 0) return false;
    check_mpi(MPI_Recv(nullptr, 0, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, handle, MPI_STATUS_IGNORE), "receive a request");
    if (status.MPI_TAG == kNext) {
      auto const task = counter_.next();
      std::int64_t const reply = task ? static_cast<std::int64_t>(*task) : kNoTask;
      check_mpi(MPI_Send(&reply, 1, MPI_INT64_T, status.MPI_SOURCE, kTask, handle), "send a task");
    } else if (status.MPI_TAG == kStop) {
      counter_.stop();
    } else {
      --clients_;
    }
    return true;
  }

  Communicator comm_;
  Counter counter_;
  int clients_;  ///< ranks that have not left; the server's alone
  std::exception_ptr failure_;
  std::atomic<bool> failed_ = false;
  std::thread server_;
};

/// Any other rank: asks rank 0.
class AskingQueue : public TaskQueue::Backend {
 public:
  explicit AskingQueue(Communicator comm) : comm_(std::move(comm)) {}

  ~AskingQueue() override {
    try {
      tell(kLeave);
    } catch (std::exception const& error) {
      log_error(error.what());
    }
  }

  std::optional<std::size_t> next() override {
    std::int64_t task = kNoTask;
    std::vector<MPI_Request> requests(1);
    check_mpi(MPI_Irecv(&task, 1, MPI_INT64_T, 0, kTask, mpi_handle(comm_), requests.data()), "receive a task");
    tell(kNext);
    wait_all(requests, "receive a task");
    if (task == kNoTask) return std::nullopt;
    return static_cast<std::size_t>(task);
  }
  void stop() override { tell(kStop); }

 private:
  void tell(Tag tag) {
    std::vector<MPI_Request> requests(1);
    check_mpi(MPI_Isend(nullptr, 0, MPI_BYTE, 0, tag, mpi_handle(comm_), requests.data()), "ask for a task");
    wait_all(requests, "ask for a task");
  }

  Communicator comm_;
};

std::unique_ptr<TaskQueue::Backend> make_queue(Communicator const& comm, std::size_t tasks) {
  if (comm.size() == 1) return std::make_unique<LocalQueue>(tasks);
  auto own = comm.duplicate();
  if (comm.rank() == 0) return std::make_unique<ServingQueue>(std::move(own), tasks);
  return std::make_unique<AskingQueue>(std::move(own));
}

}  // namespace

TaskQueue::TaskQueue(Communicator const& comm, std::size_t tasks)
    : exceptions_(std::uncaught_exceptions()), backend_(make_queue(comm, tasks)) {}

TaskQueue::~TaskQueue() {
  if (std::uncaught_exceptions() <= exceptions_) return;
  try {
    stop();
  } catch (std::exception const& error) {
    log_error(error.what());
  }
}

std::optional<std::size_t> TaskQueue::next() {
  return backend_->next();
}
void TaskQueue::stop() {
  backend_->stop();
}

}  // namespace onemask
