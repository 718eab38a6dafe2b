#include "sweep/coordinator.hpp"
#include "sweep/done_tasks.hpp"
#include "sweep/frozen_plan.hpp"
#include "sweep/gather.hpp"
#include "sweep/open_run.hpp"
#include "sweep/run_state.hpp"
#include "sweep/task_rates.hpp"
#include "sweep/tidy.hpp"
#include "sweep/worker.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/comm/computing.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/log.hpp>
#include <onemask/store/run_folder.hpp>
#include <onemask/sweep/run.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <set>
#include <thread>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;
using End = RunEnding::End;

std::string part_name(Shard const& shard) {
  return shard.count == 1 ? "" : "shard-" + std::to_string(shard.index) + "-of-" + std::to_string(shard.count);
}

bool gather_all(RunContext const& run, std::vector<StageRecord> const& stages) {
  return gather({run.plan, run.study, run.objects, run.options.folder / "journal", run.fingerprints.model,
                 run.fingerprints.tokenizer, stages, runtime_info(), run.templates},
                run.options.folder / "study.h5");
}

/// Numbers of the ranks' hosts, in the order in which they first appear.
int node_of(Communicator const& world) {
  auto const hosts = world.all_gather(host_name());
  std::vector<std::string> known;
  int mine = 0;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    auto const found = std::find(known.begin(), known.end(), hosts[rank]);
    if (static_cast<int>(rank) == world.rank()) mine = static_cast<int>(found - known.begin());
    if (found == known.end()) known.push_back(hosts[rank]);
  }
  return mine;
}

/// The shard that does a task. Tasks of a lane stay together.
int owner_of(std::size_t task, TaskList const& tasks, Shard const& shard) {
  auto const lane = tasks.graph.tasks[task].lane;
  return static_cast<int>((lane != 0 ? lane : task) % static_cast<std::size_t>(shard.count));
}

/// Which tasks other shards do.
std::vector<bool> foreign_tasks(TaskList const& tasks, Shard const& shard) {
  if (shard.count == 1) return {};
  std::vector<bool> foreign(tasks.planned.size());
  for (std::size_t t = 0; t < foreign.size(); ++t) foreign[t] = !tasks.is_gate(t) && owner_of(t, tasks, shard) != shard.index;
  return foreign;
}

/// Rank 0's side of a run: the coordinator in a thread of its own, and the file that says how far it is.
class Coordination {
 public:
  Coordination(RunContext const& run, TaskList const& tasks, std::vector<bool> const& done, Mailbox& mailbox, double time_limit,
               RunState state)
      : coordinator_(tasks, done, mailbox, options_of(run, tasks, time_limit)),
        writer_(std::move(state), [this] { return coordinator_.snapshot(); }),
        thread_([this, &run](std::stop_token const& stop) {
          try {
            auto const [ending, in_tasks] = coordinator_.run(stop);
            if (in_tasks && !stop.stop_requested()) end_now(run.environment, ending);
          } catch (...) {
            failure_ = std::current_exception();
          }
        }) {}

  std::vector<StageRecord> stages() const { return coordinator_.stages(); }

  void finish(RunEnding::End end) {
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
    writer_.finish(end);
  }

 private:
  static CoordinatorOptions options_of(RunContext const& run, TaskList const& tasks, double time_limit) {
    auto const& options = run.options;
    return {.gathers = options.last == Stage::gather,
            .deadline = options.deadline,
            .time_limit = time_limit,
            .foreign = foreign_tasks(tasks, options.shard),
            .done_of = [&](std::vector<std::size_t> const& some) { return done_of(run, tasks, some); },
            .owners_live =
                [&](std::vector<std::size_t> const& some) {
                  std::set<int> owners;
                  for (auto task : some) owners.insert(owner_of(task, tasks, options.shard));
                  return std::any_of(owners.begin(), owners.end(), [&](int owner) {
                    return is_at_work(options.folder, part_name({owner, options.shard.count}));
                  });
                }};
  }

  /// Some ranks, this one perhaps, are deep in tasks and will not come to the end in time. What they have not finished is
  /// dropped.
  [[noreturn]] void end_now(Environment const& environment, RunEnding const& ending) {
    writer_.finish(ending.end);
    log_error(ending.sentence + " Running tasks that took too long were stopped.");
    environment.abort_world(ending.end == End::interrupted ? 75 : ending.end == End::refused ? 2 : 1);
  }

  Coordinator coordinator_;
  std::exception_ptr failure_;
  StateWriter writer_;
  std::jthread thread_;  ///< last, so that it ends before what it uses
};

RunOutcome conclude(RunContext const& run, RunEnding const& result) {
  switch (result.end) {
    case End::interrupted:
      throw Interrupted(result.sentence);
    case End::refused:
      throw UserError(result.sentence);
    case End::failed:
      throw RunError(result.sentence);
    default:
      break;
  }
  RunOutcome outcome{result.end == End::complete, result.sentence, {}};
  if (run.options.last == Stage::gather && (outcome.complete || run.options.shard.count == 1))
    outcome.study_file = run.options.folder / "study.h5";
  return outcome;
}

}  // namespace

RunOutcome run_study(Environment const& environment, Study const& study, RunOptions const& options) {
  auto const start = Clock::now();
  auto const world = environment.world();
  auto const folder = options.folder;
  if (options.only_gather) {
    auto const run = open_run(environment, study, options, Tasks::done_elsewhere);
    RunOutcome outcome{false, {}, folder / "study.h5"};
    std::int64_t complete = 0;
    agree(world, [&] {
      if (!run.is_root()) return;
      freeze_plan(run, make_task_list(run.plan, study, {}, Stage::gather));
      complete = gather_all(run, {});
    });
    outcome.complete = world.all_reduce_max(complete) != 0;
    return outcome;
  }
  if (options.shard.count > 1 && world.size() > 1)
    throw UserError("A shard of a study runs on one rank; start it without mpirun, or leave --shard out.");
  auto const asked = study.ranks_per_mask;
  if (options.last >= Stage::mask && study.masks && asked > world.size()) {
    throw UserError("The study asks for " + std::to_string(asked) + " ranks per mask (mask.ranks), but the run has " +
                    std::to_string(world.size()) + (world.size() == 1 ? " rank" : " ranks") +
                    ". Start more ranks or set mask.ranks to auto.");
  }
  std::optional<RunLock> lock;
  agree(world, [&] {
    if (world.rank() != 0) return;
    std::filesystem::create_directories(folder / "journal");
    std::filesystem::create_directories(folder / "logs");
    lock.emplace(folder, part_name(options.shard), std::chrono::seconds(3));  // ranks of a killed start may be dying still
  });
  auto const part = part_name(options.shard);
  open_log_file(folder / "logs" / ((part.empty() ? "rank-" + std::to_string(world.rank()) : part) + ".log"));

  auto const run = open_run(environment, study, options, Tasks::done_here);
  auto const& plan = run.plan;
  auto const journals = folder / "journal";
  auto const rates =
      task_rates(world.rank() == 0 ? read_journals(journals) : std::vector<JournalRecord>(), run.model->config(), run.on_gpus);
  auto const tasks = make_task_list(plan, study, rates, options.last);
  agree(world, [&] {
    if (run.is_root()) freeze_plan(run, make_task_list(plan, study, rates, Stage::gather));
  });
  auto const done = done_tasks(run, tasks);
  auto const journal_rank = options.shard.count > 1 ? options.shard.index : world.rank();
  auto const attempt = std::stoi(world.broadcast(std::to_string(world.rank() == 0 ? next_attempt(journals) : 0), 0));
  std::optional<Journal> journal;
  agree(world, [&] { journal.emplace(journals, journal_rank, attempt); });
  log_info("plan " + plan.id.substr(0, 12) + ": " + std::to_string(plan.facts.size()) + " facts, " +
           std::to_string(plan.sets.size()) + " way(s) of editing, " + std::to_string(plan.masks.size()) + " masks, " +
           std::to_string(world.size()) + (world.size() == 1 ? " rank; " : " ranks; ") + summary_of(tasks, done));

  auto const spent = std::chrono::duration<double>(Clock::now() - start).count();
  Mailbox mailbox(world);
  WorkerOptions worker{.node = node_of(world)};
  if (options.deadline > 0) worker.patience = std::chrono::duration<double>(std::clamp(options.deadline, 15.0, 60.0));
  std::optional<Coordination> coordination;
  if (run.is_root()) {
    auto const limit = options.time_limit > 0 ? std::max(1.0, options.time_limit - spent) : 0;
    coordination.emplace(run, tasks, done, mailbox, limit, RunState{folder, part, attempt, world.size()});
    worker.gather = [&] { return gather_all(run, coordination->stages()); };
  }
  auto const ending = work(run, tasks, mailbox, *journal, worker);
  if (coordination) coordination->finish(ending.end);
  if (run.is_root() && ending.end == End::complete) tidy(run);
  if (ending.stuck) {
    environment.set_company(Environment::Company::stuck);
  } else if (!ending.dead.empty()) {
    environment.set_company(Environment::Company::some_dead);
  }
  return conclude(run, ending);
}

}  // namespace onemask
