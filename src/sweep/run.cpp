#include "sweep/coordination.hpp"
#include "sweep/frozen_plan.hpp"
#include "sweep/one_place.hpp"
#include "sweep/open_run.hpp"
#include "sweep/shards.hpp"
#include "sweep/task_rates.hpp"
#include "sweep/tidy.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/dispatch/worker.hpp>
#include <onemask/gather/gather.hpp>
#include <onemask/store/run_folder.hpp>
#include <onemask/sweep/run.hpp>
#include <onemask/work/done_tasks.hpp>
#include <onemask/work/planned_work.hpp>

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/core.h>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;

bool gather_all(Study const& study, OpenRun const& run, RunOptions const& options, std::vector<StageRecord> const& stages) {
  return gather({run.plan, study, run.objects, options.folder / "journal", run.fingerprints.model, run.fingerprints.tokenizer,
                 stages, runtime_info(run.worker), run.inputs},
                options.folder / "study.h5");
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

/// The tasks that this start of a run has to do, and what is done of them.
struct OpenTasks {
  TaskList list;
  std::vector<bool> done;
};

OpenTasks open_tasks(Communicator const& world, Study const& study, OpenRun const& run, RunOptions const& options) {
  bool const leads = world.rank() == 0;
  auto const journal = leads ? read_journals(options.folder / "journal") : std::vector<JournalRecord>();
  auto const rates = task_rates(journal, run.model->config(), run.worker != c10::kCPU);
  auto tasks = make_task_list(run.plan, study, rates, options.last);
  agree(world, [&] {
    if (!leads) return;
    freeze_plan(options.folder, study, run, make_task_list(run.plan, study, rates, Stage::gather), Tasks::done_here);
  });
  auto done = done_tasks(tasks, run.plan, run.objects, world);
  return {std::move(tasks), std::move(done)};
}

CoordinatorOptions coordinator_options(OpenTasks const& tasks, OpenRun const& run, RunOptions const& options, double time_limit) {
  return {.gathers = options.last == Stage::gather,
          .deadline = options.deadline,
          .time_limit = time_limit,
          .foreign = foreign_tasks(tasks.list, options.shard),
          .done_of = [&](std::vector<std::size_t> const& some) { return done_of(some, tasks.list, run.plan, run.objects); },
          .owners_live = [&](auto const& some) { return are_owners_at_work(some, tasks.list, options); },
          .failed_of = [&](auto const& some) { return failed_in_other_shards(some, tasks.list, run.plan, options); },
          .owners_of = [&](auto const& some) { return names_of_owners(some, tasks.list, options.shard); }};
}

/// Refuses what cannot be begun on these ranks.
void check_ranks(Study const& study, RunOptions const& options, int ranks) {
  if (options.shard.count > 1 && ranks > 1)
    throw UserError("A shard of a study runs on one rank; start it without mpirun, or leave --shard out.");
  require_ranks(study, options.last, ranks);
}

/// Rank 0 locks the folder; every rank logs there.
void begin_in_folder(Communicator const& world, RunOptions const& options, std::optional<RunLock>& lock) {
  auto const part = part_name(options.shard);
  agree(world, [&] {
    if (world.rank() != 0) return;
    make_folder(options.folder / "journal");
    make_folder(options.folder / "logs");
    lock.emplace(options.folder, part, std::chrono::seconds(3));  // ranks of a killed start may be dying still
  });
  open_log_file(options.folder / "logs" / (part.empty() ? fmt::format("rank-{}.log", world.rank()) : part + ".log"));
}

/// Nodes of several generations in one run.
void warn_of_mixture(Communicator const& world, std::string const& kind) {
  auto const kinds = split_text(joined_kinds(world, kind), '\n');
  if (world.rank() != 0 || kinds.size() < 2) return;
  log_warning(
      fmt::format("The ranks run on {} kinds of machines: {}. Which of them does a task may change the last digits of its "
                  "result, so another run can differ in them. For equal bits, start all ranks on one kind.",
                  kinds.size(), join(kinds, "; ")));
}

}  // namespace

void require_ranks(Study const& study, Stage last, int ranks) {
  auto const asked = study.ranks_per_mask;
  if (last < Stage::mask || !study.masks || asked <= ranks) return;
  throw UserError(
      fmt::format("The study asks for {} ranks per mask (mask.ranks), but the run has {}. "
                  "Start more ranks or set mask.ranks to auto.",
                  asked, counted(static_cast<std::size_t>(ranks), "rank")));
}

RunOutcome gather_study(Environment const& environment, Study const& study, RunOptions const& options) {
  auto const world = environment.world();
  agree(world, [&] {
    if (!std::filesystem::exists(options.folder / "journal") && !std::filesystem::exists(options.objects_folder()))
      throw UserError("The folder '" + options.folder.string() + "' holds no run. Name that of a run with --out.");
  });
  auto const run = open_run(environment, study, options, Tasks::done_elsewhere);
  std::int64_t complete = 0;
  agree(world, [&] {
    if (world.rank() != 0) return;
    if (!run.missing.empty()) {
      throw UserError("The " + join(run.missing, " and the ") + " of this study are not in '" +
                      options.objects_folder().string() +
                      "', so it is not known which results belong to it. Name the objects folder of the run with --objects.");
    }
    freeze_plan(options.folder, study, run, make_task_list(run.plan, study, {}, Stage::gather), Tasks::done_elsewhere);
    complete = gather_all(study, run, options, {});
  });
  bool const whole = world.all_reduce_max(complete) != 0;
  return {{.end = whole ? RunEnding::End::complete : RunEnding::End::partial}, options.folder / "study.h5"};
}

RunOutcome run_study(Environment const& environment, Study const& study, RunOptions const& options) {
  auto const start = Clock::now();
  auto const world = environment.world();
  check_ranks(study, options, world.size());
  std::optional<RunLock> lock;
  begin_in_folder(world, options, lock);
  require_one_place(world, options);
  auto const run = open_run(environment, study, options, Tasks::done_here);
  warn_of_mixture(world, run.objects.made_by());
  auto const tasks = open_tasks(world, study, run, options);
  auto const journals = options.folder / "journal";
  auto const journal_rank = options.shard.count > 1 ? options.shard.index : world.rank();
  auto const attempt = std::stoi(world.broadcast(std::to_string(world.rank() == 0 ? next_attempt(journals) : 0), 0));
  std::optional<Journal> journal;
  agree(world, [&] { journal.emplace(journals, journal_rank, attempt); });
  auto const& plan = run.plan;
  for (auto const& count : plan.known) {
    if (count.relation == every_relation) log_info(sentence_of(count));
  }
  log_info(fmt::format("plan {}: {} facts, {} way(s) of editing, {} masks, {}; {}", plan.id.substr(0, 12), plan.facts.size(),
                       plan.sets.size(), plan.masks.size(), counted(static_cast<std::size_t>(world.size()), "rank"),
                       summary_of(tasks.list, tasks.done)));

  auto const spent = std::chrono::duration<double>(Clock::now() - start).count();
  auto const work_tasks = make_planned_work(
      {study, plan, run.fingerprints, *run.model, run.tokenizer, run.text, run.objects, options.folder / "checkpoints"},
      tasks.list);
  Mailbox mailbox(world);
  WorkerOptions worker{.node = node_of(world)};
  if (options.deadline > 0) worker.patience = std::chrono::duration<double>(std::clamp(options.deadline, 15.0, 60.0));
  std::optional<Coordination> coordination;
  if (world.rank() == 0) {
    auto const limit = options.time_limit > 0 ? std::max(1.0, options.time_limit - spent) : 0;
    coordination.emplace(environment, tasks.list.graph, tasks.done, mailbox, coordinator_options(tasks, run, options, limit),
                         RunState{options.folder, part_name(options.shard), attempt, world.size()});
    worker.gather = [&] { return gather_all(study, run, options, coordination->stages()); };
  }
  RunOutcome outcome{work(*work_tasks, mailbox, *journal, worker)};
  auto const end = outcome.ending.end;
  if (coordination) coordination->finish(end);
  if (world.rank() == 0 && end == RunEnding::End::complete) tidy(options.folder, plan, run.objects);
  bool const ended = end == RunEnding::End::complete || end == RunEnding::End::partial;
  if (ended && options.last == Stage::gather && (end == RunEnding::End::complete || options.shard.count == 1))
    outcome.study_file = options.folder / "study.h5";
  return outcome;
}

}  // namespace onemask
