#include <onemask/core/backoff.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/text.hpp>
#include <onemask/dispatch/coordinator.hpp>

#include <algorithm>
#include <exception>
#include <thread>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr double look_every = 0.005, search_every = 2, publish_every = 1;  // [s]
constexpr double least_deadline = 1800, deadline_factor = 20;              // [s], times the prediction
constexpr double least_unmeasured_deadline = 4 * 3600;                     // [s], until a task of the kind has ended
constexpr double leave_time = 10;                           // [s] that ranks have to leave a group that is given up
constexpr double all_ready_time = 10;                       // [s] that the first task waits for all ranks to come
constexpr double answer_time = 5, hurried_answer_time = 3;  // [s] that idle ranks have to show that they are there at the end

/// Of a rank that was given up such a report counts too.
bool is_of_no_task(Report const& report) {
  return std::holds_alternative<Present>(report) || std::holds_alternative<SignalReceived>(report) ||
         std::holds_alternative<ResultsGathered>(report) || std::holds_alternative<GatherFailed>(report);
}

}  // namespace

Coordinator::Coordinator(TaskGraph const& graph, std::vector<bool> const& done, Mailbox& mailbox, CoordinatorOptions options)
    : graph_(graph),
      mailbox_(mailbox),
      options_(std::move(options)),
      scheduler_(graph, done, options_.foreign),
      tally_(graph, done, options_.foreign) {
  publish();
}

std::pair<RunEnding, bool> Coordinator::run(std::stop_token const& stop) {
  try {
    return coordinate(stop);
  } catch (...) {
    end_all(ending_of([]() -> int { throw; }));
    throw;
  }
}

std::pair<RunEnding, bool> Coordinator::coordinate(std::stop_token const& stop) {
  Backoff backoff;
  for (;;) {
    bool const heard = answer_all();
    if (now() - looked_ > look_every) {
      look_around();
      looked_ = now();
      changed_ = true;  // what holds a rank back may be over
    }
    if (changed_) deal();
    changed_ = false;
    if (may_end() || stop.stop_requested()) break;
    if (heard)
      backoff.heard();
    else
      backoff.wait();
  }
  if (!stopping_ && options_.gathers && (options_.foreign.empty() || tally_.complete())) gather(stop);
  if (!stopping_) {
    bool const all_there = !gathered_ || gathered_->complete;
    for (std::size_t t = 0; tally_.complete() && t < graph_.tasks.size(); ++t) {
      invariant(graph_.is_join(t) || scheduler_.state(t) == Scheduler::State::done, "all tasks are counted as done, but task ", t,
                " is not");
    }
    ending_.end = tally_.complete() && all_there ? RunEnding::End::complete : RunEnding::End::partial;
    if (!tally_.complete()) {
      ending_.sentence = tally_.failures();
    } else if (!all_there) {
      ending_.sentence = "Results of finished tasks are damaged or missing; run the same command again to compute them again.";
    }
  }
  bool const leader_hung = hung_.contains(0);
  check_presence();
  ending_.stuck = !active_.empty() || !hung_.empty();
  ending_.dead.assign(dead_.begin(), dead_.end());
  publish();
  log_info(fmt::format("ranks were in tasks for {} % of {}", static_cast<int>(100 * tally_.busy(mailbox_.size(), now()) + 0.5),
                       format_duration(now())));
  for (int rank = 0; rank < mailbox_.size(); ++rank) {
    if (!dead_.contains(rank)) tell(rank, EndWork{ending_});
  }
  return {ending_, !active_.empty() || (leader_hung && hung_.contains(0))};
}

/// After a failure of the coordinator's own: no worker hears of it any more.
void Coordinator::end_all(Ending const& failure) {
  using End = RunEnding::End;
  ending_.end = failure.code == 2 ? End::refused : failure.code == 75 ? End::interrupted : End::failed;
  ending_.sentence = failure.sentence;
  ending_.dead.assign(dead_.begin(), dead_.end());
  try {
    for (int rank = 0; rank < mailbox_.size(); ++rank) {
      if (dead_.contains(rank)) continue;
      tell(rank, StopTask{});
      tell(rank, EndWork{ending_});
    }
  } catch (std::exception const&) {
    log_error(failure.sentence);  // the workers will only say that nobody answers
  }
}

bool Coordinator::answer_all() {
  bool heard = false;
  while (auto const message = mailbox_.receive(Mailbox::Recipient::coordinator)) {
    heard = true;
    auto const report = report_from_bytes(message->bytes);
    if (!lost_.contains(message->from) || is_of_no_task(report))
      std::visit([&](auto const& one) { take(message->from, one); }, report);
    look_for_signal();  // before a task that was dropped for it is dealt out again
    deal();
  }
  return heard;
}

void Coordinator::deal() {
  // Groups are formed of ranks that are there; they come within a moment of each other.
  if (stopping_ || (ready_.size() + lost_.size() < static_cast<std::size_t>(mailbox_.size()) && now() < all_ready_time)) return;
  while (auto const next = scheduler_.next(now())) assign(*next);
}

void Coordinator::take(int from, WorkerReady const& report) {
  ready_.insert(from);
  scheduler_.join(from, report.node);
}

void Coordinator::take(int from, SignalReceived const&) {
  ask_to_stop(RunEnding::End::interrupted, fmt::format("A signal stopped rank {} and the run.", from));
}

void Coordinator::take(int from, Present const&) {
  if (absent_.erase(from) > 0) hung_.erase(from);
}

void Coordinator::take(int, TaskShare const& report) {
  tally_.set_share(report.task, report.share, now());
  if (auto const found = active_.find(report.task); found != active_.end()) found->second.seen = now();
}

void Coordinator::take(int, ResultsGathered const& report) {
  gathered_ = report;
}

void Coordinator::take(int, GatherFailed const& report) {
  gather_failure_ = report.failure;
}

void Coordinator::take(int from, TaskDone const& report) {
  auto* const active = part_ended(from, report.group, report.task);
  if (active == nullptr) return;
  if (from == active->ranks.front()) {
    active->lead_done = true;
    active->measured = !report.was_there;
  }
  conclude_if_all_ended(report.task);
}

void Coordinator::take(int from, TaskDropped const& report) {
  if (part_ended(from, report.group, report.task) == nullptr) return;
  abandon(report.task);
  conclude_if_all_ended(report.task);
}

void Coordinator::take(int from, TaskFailed const& report) {
  auto* const active = part_ended(from, report.group, report.task);
  if (active == nullptr) return;
  // Others of the group may only say that this one failed.
  if (!active->failure || report.failure.kind == Failure::Kind::defect) active->failure = {from, report.failure};
  abandon(report.task);
  conclude_if_all_ended(report.task);
}

void Coordinator::assign(Assignment const& assignment) {
  auto const task = assignment.task;
  invariant(!assignment.ranks.empty() && !active_.contains(task), "task ", task, " is dealt out to ", assignment.ranks.size(),
            " ranks, or a second time");
  for (auto rank : assignment.ranks)
    invariant(ready_.contains(rank) && !lost_.contains(rank), "task ", task, " is dealt out to rank ", rank,
              ", which is not there");
  RunTask const order{++group_, task, assignment.ranks};
  Active active{assignment.ranks, order.group, {assignment.ranks.begin(), assignment.ranks.end()}, now()};
  tally_.begin(task, static_cast<int>(assignment.ranks.size()), now());
  active_.emplace(task, std::move(active));
  for (auto rank : assignment.ranks) tell(rank, order);
}

/// This rank is through with its part of the task. Null: of an attempt that was over before, with the loss of another rank.
Coordinator::Active* Coordinator::part_ended(int from, std::int32_t group, std::size_t task) {
  auto const found = active_.find(task);
  if (found == active_.end() || found->second.group != group) return nullptr;
  auto& active = found->second;
  active.waiting.erase(from);
  if (active.abandoned < 0) active.seen = now();  // to leave an abandoned task is no sign of life of the others
  return &active;
}

void Coordinator::conclude_if_all_ended(std::size_t task) {
  if (active_.at(task).waiting.empty()) conclude(task);
}

void Coordinator::abandon(std::size_t task) {
  auto& active = active_.at(task);
  if (active.abandoned >= 0 || active.ranks.size() == 1) return;
  active.abandoned = now();
  for (auto rank : active.waiting) tell(rank, AbandonGroup{active.group});
}

void Coordinator::conclude(std::size_t task) {
  auto active = active_.extract(task).mapped();
  changed_ = true;
  bool const finished = active.lead_done && !active.failure;
  tally_.end(task, now(), finished);
  if (finished) return scheduler_.finish(task, now(), active.measured);
  // All are there, but together they do not come on, as where a network loses messages.
  if (active.hung && !active.failure) {
    Failure const failure{Failure::Kind::error, "its ranks waited for each other without progress"};
    log_warning(fmt::format("A task of the kind '{}' failed: {}.", graph_.kinds[graph_.tasks[task].kind], failure.text));
    active.failure = {active.ranks.back(), failure};
  }
  if (!active.failure) return scheduler_.give_back(task);

  auto const& [rank, failure] = *active.failure;
  using Kind = Failure::Kind;
  if (failure.kind == Kind::user || failure.kind == Kind::disk || failure.kind == Kind::defect) {
    scheduler_.give_back(task);
    return stop_for(failure);
  }
  if (failure.kind == Kind::device) lose(rank, "its device no longer responds", false);
  if (!scheduler_.fail(task, rank)) return;
  auto const reason = failure.text.substr(0, failure.text.find('\n'));
  log_error(fmt::format("A task of the kind '{}' has failed {} times and is not tried again in this run: {}",
                        graph_.kinds[graph_.tasks[task].kind], Scheduler::attempts, reason));
  tally_.add_failed(task, reason);
  for (std::size_t t = 0; t < graph_.tasks.size(); ++t) {
    if (t != task && !graph_.is_join(t) && scheduler_.state(t) == Scheduler::State::failed) tally_.add_failed(t, "");
  }
}

/// The run goes on without this rank. One that is not `dead` may still be there at the end.
void Coordinator::lose(int rank, std::string const& reason, bool dead) {
  if (dead && dead_.insert(rank).second) hung_.erase(rank);
  if (!lost_.insert(rank).second) return;
  if (!dead) hung_.insert(rank);
  log_error(fmt::format("Rank {} is lost: {}. The run continues with {}.", rank, reason, counted(ranks_left(), "rank")));
  if (ready_.contains(rank)) scheduler_.leave(rank);
  changed_ = true;
  std::vector<std::size_t> hit;
  for (auto& [task, active] : active_) {
    if (active.waiting.erase(rank) == 0) continue;
    hit.push_back(task);
    // Should it wake up, it does not count as done what others are given now.
    if (!dead) tell(rank, AbandonGroup{active.group});
    // Whatever a rank did may be what it died of.
    if (!active.failure && !active.lead_done)
      active.failure = {rank, {Failure::Kind::error, fmt::format("rank {} was lost: {}", rank, reason)}};
  }
  for (auto task : hit) {
    abandon(task);
    conclude_if_all_ended(task);
  }
}

void Coordinator::look_around() {
  look_for_losses();
  look_for_hangs();
  look_for_signal();
  if (!stopping_ && options_.time_limit > 0 && now() > options_.time_limit - options_.grace)
    ask_to_stop(RunEnding::End::interrupted, "The run's time limit is reached.");
  if (!options_.foreign.empty() && now() - searched_ > search_every) look_for_foreign();
  ping();
  if (now() - published_ > publish_every) publish();
  line_.update([this] { return status(); });
}

void Coordinator::look_for_signal() {
  if (!stopping_ && interrupted()) ask_to_stop(RunEnding::End::interrupted, "A signal stopped the run.");
}

void Coordinator::look_for_losses() {
  for (auto rank : mailbox_.lost()) lose(rank, "its process has ended", true);
}

void Coordinator::look_for_hangs() {
  std::vector<int> hanging;
  for (auto& [task, active] : active_) {
    auto const kind = graph_.tasks[task].kind;
    auto limit = options_.deadline;
    if (limit <= 0) {
      auto const least = scheduler_.scale(kind) > 0 ? least_deadline : least_unmeasured_deadline;
      limit = std::max(least, deadline_factor * scheduler_.predicted(task));
    }
    if (now() - active.seen < limit) continue;
    if (active.ranks.size() > 1 && active.abandoned < 0) {
      active.hung = true;
      abandon(task);
    }
    if (active.ranks.size() > 1 && now() - active.abandoned < leave_time) continue;
    hanging.insert(hanging.end(), active.waiting.begin(), active.waiting.end());
  }
  for (auto rank : hanging) lose(rank, "its task has not reported progress", false);
}

void Coordinator::look_for_foreign() {
  for (auto task : options_.done_of(foreign_tasks(false))) {
    scheduler_.done_elsewhere(task);
    tally_.found(task);
    changed_ = true;
  }
  searched_ = now();
}

/// Those that are not done; of these, perhaps, those that are due.
std::vector<std::size_t> Coordinator::foreign_tasks(bool due) const {
  std::vector<std::size_t> found;
  for (std::size_t t = 0; t < options_.foreign.size(); ++t) {
    if (!options_.foreign[t] || scheduler_.state(t) != Scheduler::State::waiting) continue;
    if (!due || scheduler_.is_due_elsewhere(t)) found.push_back(t);
  }
  return found;
}

void Coordinator::ask_to_stop(RunEnding::End end, std::string const& sentence) {
  if (stopping_) return;
  stopping_ = true;
  stop_began_ = now();
  ending_.end = end;
  ending_.sentence = sentence;
  if (end == RunEnding::End::interrupted) ending_.sentence += " Finished work is kept; run the same command again to continue.";
  for (auto const& [task, active] : active_) {
    for (auto rank : active.waiting) tell(rank, StopTask{});
  }
}

void Coordinator::stop_for(Failure const& failure) {
  ask_to_stop(failure.kind == Failure::Kind::user ? RunEnding::End::refused : RunEnding::End::failed, failure.text);
}

bool Coordinator::may_end() {
  if (stopping_) return active_.empty() || now() - stop_began_ > options_.grace;
  if (!active_.empty()) return false;
  if (scheduler_.over()) {
    if (options_.foreign.empty() || tally_.complete()) return true;
    // What is left is in the hands of other processes, or waits for them.
    bool own_left = false;
    for (std::size_t t = 0; t < graph_.tasks.size() && !own_left; ++t) {
      own_left = !options_.foreign[t] && !graph_.is_join(t) && scheduler_.state(t) == Scheduler::State::waiting;
    }
    if (!own_left) {
      look_for_foreign();  // whoever ends last sees that everything is there, and gathers
      return true;
    }
    return ends_without_others();
  }
  // Nobody is left for what is ready.
  if (ready_.size() < ranks_left()) return false;
  bool const nobody = std::all_of(ready_.begin(), ready_.end(), [&](int rank) { return lost_.contains(rank); });
  if (nobody) ask_to_stop(RunEnding::End::failed, "No working rank is left. Run the same command again.");
  return nobody;
}

/// Whether nothing that this process waits for will be done by those that are at work. Two of them may wait for each other, each
/// for what has failed in the other.
bool Coordinator::ends_without_others() {
  if (now() - asked_ < search_every) return false;
  asked_ = now();
  auto due = foreign_tasks(true);
  auto const failed = options_.failed_of ? options_.failed_of(due) : std::vector<std::size_t>();
  std::erase_if(due, [&](std::size_t task) { return std::find(failed.begin(), failed.end(), task) != failed.end(); });
  if (!due.empty() && options_.owners_live(due)) return false;
  look_for_foreign();  // they may have ended because all of theirs was done
  if (changed_) return false;
  if (!due.empty() || failed.empty()) {
    ask_to_stop(RunEnding::End::interrupted, "The remaining tasks of this shard wait for shards that do not run.");
    return true;
  }
  auto const owners = options_.owners_of(failed), own = tally_.failures();
  ask_to_stop(RunEnding::End::partial,
              fmt::format("{}Tasks of {} failed, and tasks of this shard wait for them. Run {} again, and then this shard.",
                          own.empty() ? "" : own + "; ", owners, owners));
  return true;
}

void Coordinator::gather(std::stop_token const& stop) {
  if (hung_.contains(0)) {  // in a task that has long been given to others
    call({0});
    if (!absent_.empty()) return ask_to_stop(RunEnding::End::interrupted, "Rank 0 hangs, so study.h5 is not written.");
  }
  {
    std::lock_guard const lock(mutex_);
    stages_ = tally_.stages();
  }
  tell(0, GatherResults{});
  while (!gathered_ && !gather_failure_ && !stop.stop_requested()) {
    if (!answer_all()) std::this_thread::sleep_for(std::chrono::microseconds(500));
    if (now() - looked_ < 0.1) continue;
    looked_ = now();
    look_for_losses();
    ping();
  }
  if (gather_failure_) stop_for(*gather_failure_);
}

/// So that no worker gives the coordinator up: not that of rank 0, nor one that was given up itself and has to come to the end.
void Coordinator::ping() {
  if (now() - pinged_ < options_.ping_every) return;
  pinged_ = now();
  for (int rank = 0; rank < mailbox_.size(); ++rank) {
    if (!dead_.contains(rank)) tell(rank, Alive{});
  }
}

/// Ranks that do not answer would not come to the end either. Some that were given up may be there again.
void Coordinator::check_presence() {
  if (!active_.empty()) return;  // then nobody waits for all ranks any more
  std::set<int> ranks;
  for (int rank = 0; rank < mailbox_.size(); ++rank) {
    if (!dead_.contains(rank)) ranks.insert(rank);
  }
  call(ranks);
  for (auto rank : absent_) lose(rank, "it does not respond", false);
}

/// Waits until these ranks have answered, but not for long; `absent_` are those that have not.
void Coordinator::call(std::set<int> const& ranks) {
  absent_ = ranks;
  for (auto rank : ranks) tell(rank, CheckPresence{});
  auto const end = now() + (stopping_ ? hurried_answer_time : answer_time);
  while (!absent_.empty() && now() < end) {
    if (!answer_all()) std::this_thread::sleep_for(std::chrono::microseconds(150));
    if (now() - looked_ < look_every) continue;
    looked_ = now();
    look_for_losses();
    for (auto rank : mailbox_.lost()) absent_.erase(rank);
  }
}

Tally::Measured Coordinator::measured() const {
  return [this](std::size_t kind) { return scheduler_.scale(kind); };
}

double Coordinator::seconds_left() const {
  return tally_.seconds_left(measured(), ranks_left(), now());
}

std::string Coordinator::status() const {
  auto const line = tally_.line(measured(), now());
  auto const left = seconds_left();
  auto const estimate = left > 0 ? "; about " + format_duration(left) + " left on " + counted(ranks_left(), "rank") : "";
  return (line.empty() ? "waiting" : line) + estimate;
}

void Coordinator::publish() {
  published_ = now();
  nlohmann::ordered_json snapshot{{"ranks", mailbox_.size()},
                                  {"lost", lost_},
                                  {"seconds", now()},
                                  {"seconds_left", seconds_left()},
                                  {"busy", tally_.busy(mailbox_.size(), now())},
                                  {"tasks", tally_.json()},
                                  {"failures", tally_.failures()}};
  std::lock_guard const lock(mutex_);
  stages_ = tally_.stages();
  snapshot_ = std::make_shared<nlohmann::ordered_json const>(std::move(snapshot));
}

std::vector<StageRecord> Coordinator::stages() const {
  std::lock_guard const lock(mutex_);
  return stages_;
}

nlohmann::ordered_json Coordinator::snapshot() const {
  std::lock_guard const lock(mutex_);
  return *snapshot_;
}

}  // namespace onemask
