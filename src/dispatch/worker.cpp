#include <onemask/comm/environment.hpp>
#include <onemask/core/backoff.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/dispatch/worker.hpp>

#include <algorithm>
#include <deque>
#include <exception>
#include <optional>
#include <thread>

#include <fmt/core.h>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;

class Worker {
 public:
  Worker(TaskRunner& tasks, Mailbox& mailbox, Journal& journal, WorkerOptions const& options)
      : tasks_(tasks), mailbox_(mailbox), journal_(journal), options_(options) {}

  RunEnding run() {
    say(WorkerReady{options_.node});
    for (;;) {
      auto const order = next_order();
      if (auto const* end = std::get_if<EndWork>(&order)) return end->ending;
      if (auto const* task = std::get_if<RunTask>(&order)) {
        auto const report = do_task(*task);
        tell_signal();  // before what was dropped for it can be dealt out again
        say(report);
      }
      if (std::holds_alternative<GatherResults>(order)) say(gather());
    }
  }

 private:
  void say(Report const& report) { mailbox_.send(0, Mailbox::Recipient::coordinator, to_bytes(report)); }

  std::optional<Order> receive() {
    while (auto const message = mailbox_.receive(Mailbox::Recipient::worker)) {
      heard_ = Clock::now();
      auto const order = order_from_bytes(message->bytes);
      if (std::holds_alternative<CheckPresence>(order)) {
        say(Present{});
      } else if (!std::holds_alternative<Alive>(order)) {
        return order;
      }
    }
    return std::nullopt;
  }

  /// What has become of the coordinator; nothing while it is there, as far as is known.
  std::string loss_of_coordinator() {
    looked_ = Clock::now();
    auto const lost = mailbox_.lost();
    if (std::find(lost.begin(), lost.end(), 0) != lost.end())
      return "Rank 0 is lost, so the run ends. Run the same command again to continue.";
    if (Clock::now() - heard_ < options_.patience) return {};
    return fmt::format("Rank 0 has not answered for {} s; it may hang. Run the same command again to continue.",
                       static_cast<int>(options_.patience.count()));
  }

  bool is_time_to_look() const { return Clock::now() - looked_ > std::chrono::milliseconds(300); }

  Order next_order() {
    Backoff backoff;
    for (;;) {
      if (!waiting_.empty()) {
        auto order = waiting_.front();
        waiting_.pop_front();
        return order;
      }
      if (auto order = receive()) return *order;
      tell_signal();
      if (!backoff.wait() || !is_time_to_look()) continue;
      if (auto const reason = loss_of_coordinator(); !reason.empty()) throw LostRank(reason);
    }
  }

  void tell_signal() {
    if (!interrupted() || told_signal_) return;
    told_signal_ = true;
    say(SignalReceived{});
  }

  /// Takes in what has come during a task.
  void listen() {
    while (auto order = receive()) {
      if (std::holds_alternative<StopTask>(*order)) {
        stopped_ = true;
      } else if (auto const* left = std::get_if<AbandonGroup>(&*order)) {
        abandoned_ = abandoned_ || left->group == group_;
      } else {
        waiting_.push_back(*order);
      }
    }
    // Nobody would take the task's end in; what it leaves for the next start is kept.
    if (is_time_to_look() && !loss_of_coordinator().empty()) stopped_ = orphaned_ = true;
  }

  /// Called while this rank waits for others of its group.
  void in_group() {
    listen();
    if (abandoned_ || orphaned_) throw LostRank("A rank of this task's group is lost or has failed.");
  }

  Report do_task(RunTask const& order) {
    invariant(order.group > 0, "an order names task ", order.task, " of group ", order.group);
    invariant(std::find(order.ranks.begin(), order.ranks.end(), mailbox_.rank()) != order.ranks.end(), "rank ", mailbox_.rank(),
              " is told to do task ", order.task, ", which is others'");
    auto const task = order.task;
    group_ = order.group;
    stopped_ = abandoned_ = false;
    bool const leads = order.ranks.front() == mailbox_.rank();
    auto const start = Clock::now();
    auto record = tasks_.record(task);
    record.host = host_name();
    record.rank = mailbox_.rank();
    record.ranks = static_cast<int>(order.ranks.size());
    try {
      auto const group = mailbox_.group(order.ranks, order.group, [this] { in_group(); });
      auto told = Clock::now();
      auto const progress = [&](double share) {
        if (!leads || Clock::now() - told < std::chrono::milliseconds(500)) return;
        told = Clock::now();
        say(TaskShare{task, share});
      };
      auto const stopped = [this] {
        listen();
        return stopped_ || abandoned_ || interrupted();
      };
      double before = 0;
      auto const resumes = [&before](double share) { before = share; };
      auto const sums_through = [&](std::string const& transport) { record.sums = transport; };
      // A rank that was lost just before its report may have finished the task.
      bool const there = group.broadcast(leads && tasks_.is_done(task) ? "1" : "", 0) == "1";
      bool const finished = there || tasks_.run(task, {group, stopped, progress, resumes, sums_through});
      listen();
      if (abandoned_) throw LostRank("The task was given to other ranks because this rank seemed to hang.");
      record.seconds = std::chrono::duration<double>(Clock::now() - start).count();
      record.units *= 1 - before;
      if (!finished) return TaskDropped{group_, task};
      if (leads && !there) journal_.append(record);
      return TaskDone{group_, task, there || before > 0};
    } catch (LostRank const&) {
      return TaskDropped{group_, task};
    } catch (Interrupted const&) {
      return TaskDropped{group_, task};
    } catch (UserError const& error) {
      return failed(order, record, {Failure::Kind::user, error.what()});
    } catch (DiskError const& error) {
      return failed(order, record, {Failure::Kind::disk, error.what()});
    } catch (BrokenInvariant const& error) {
      return failed(order, record, {tasks_.is_fit() ? Failure::Kind::defect : Failure::Kind::device, error.what()});
    } catch (std::exception const& error) {
      return failed(order, record, {tasks_.is_fit() ? Failure::Kind::error : Failure::Kind::device, error.what()});
    }
  }

  TaskFailed failed(RunTask const& order, JournalRecord record, Failure const& failure) {
    tasks_.drop_caches();  // whatever broke may be in there
    record.status = TaskStatus::failed;
    record.note = failure.text;
    log_warning(
        fmt::format("Task {} failed on rank {}: {}", record.task, record.rank, failure.text.substr(0, failure.text.find('\n'))));
    if (failure.kind != Failure::Kind::disk) journal_.append(record);
    return {order.group, order.task, failure};
  }

  Report gather() {
    try {
      tasks_.drop_caches();
      return ResultsGathered{options_.gather()};
    } catch (UserError const& error) {
      return GatherFailed{{Failure::Kind::user, error.what()}};
    } catch (std::exception const& error) {
      return GatherFailed{{Failure::Kind::error, error.what()}};
    }
  }

  TaskRunner& tasks_;
  Mailbox& mailbox_;
  Journal& journal_;
  WorkerOptions const& options_;
  std::deque<Order> waiting_;
  std::int32_t group_ = 0;
  bool stopped_ = false, abandoned_ = false, orphaned_ = false, told_signal_ = false;
  Clock::time_point heard_ = Clock::now(), looked_ = heard_;  ///< the coordinator; for it
};

}  // namespace

RunEnding work(TaskRunner& tasks, Mailbox& mailbox, Journal& journal, WorkerOptions const& options) {
  return Worker(tasks, mailbox, journal, options).run();
}

}  // namespace onemask
