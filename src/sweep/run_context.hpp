#pragma once

#include "sweep/text_pieces.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/data/tokenizer.hpp>
#include <onemask/edit/batch_edit.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/store/journal.hpp>
#include <onemask/store/object_store.hpp>
#include <onemask/sweep/plan.hpp>
#include <onemask/sweep/run.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// What a stage of this run did, for the result file.
struct StageRecord {
  std::string name;
  double seconds = 0;  ///< wall time on rank 0
  std::size_t tasks = 0, done_before = 0;
};

/// What every stage of a run needs. One per rank; the parts are the same on all ranks unless said otherwise.
struct RunContext {
  Environment const& environment;
  Communicator world;
  Study const& study;
  RunOptions const& options;
  ObjectStore objects;
  std::unique_ptr<CausalLM> model;
  Tokenizer tokenizer;
  Fingerprints fingerprints;
  Plan plan;
  std::unique_ptr<Journal> journal;  ///< this rank's own
  std::vector<StageRecord> stages = {};
  /// The batch edit read last: many tasks in a row need the same.
  mutable std::pair<std::string, std::shared_ptr<BatchEdit const>> last_batch = {};
  std::vector<TextWindows> text = {};  ///< what perplexity is taken over

  bool is_root() const { return world.rank() == 0; }
  /// An object that a stage before this one has made; `what` names it. Throws RunError when it is not in the store.
  std::string need(std::string const& key, std::string const& what) const;
  /// The edit of a fact that has one of its own.
  Edit edit(EditSet const& set, std::size_t fact) const;
  std::shared_ptr<BatchEdit const> batch_edit(std::string const& key) const;
  SharedMask shared_mask(MaskTask const& task) const;
};

/// The edits of some facts of a set. Where facts share an edited model, an edit has the outcome but no factors.
std::vector<std::pair<std::size_t, Edit>> edits_of(RunContext const& run, std::size_t set, std::vector<std::size_t> const& facts);

/// A unit of work of a stage.
struct TaskItem {
  std::string id;                    ///< for the journal, e.g. "edit/0/17"
  std::vector<std::string> objects;  ///< keys that are in the store when it is done
};

/// Which of the tasks are not done; rank 0 looks, all ranks learn. An object that is damaged counts as absent.
std::vector<std::size_t> pending_tasks(RunContext const& run, std::vector<TaskItem> const& tasks);

/// Runs `work` and journals it: done with its seconds, or failed with its reason (and throws on).
void run_task(RunContext& run, TaskItem const& task, std::function<void()> const& work);

/// Does the work of a stage and records its time. Collective.
void record_stage(RunContext& run, std::string const& name, std::size_t tasks, std::size_t done_before,
                  std::function<void()> const& work);

/// Deals the pending tasks of a stage out to all ranks and runs `work` on them, with progress on rank 0. Collective.
void run_stage(RunContext& run, std::string const& name, std::vector<TaskItem> const& tasks,
               std::function<void(std::size_t)> const& work);

/// Throws Interrupted on every rank when a signal asked any of them to stop. Collective.
void stop_if_interrupted(RunContext const& run);

// The stages, in order. Collective.
void edit_stage(RunContext& run);
void mask_stage(RunContext& run);
void evaluation_stage(RunContext& run);
void perplexity_stage(RunContext& run);

}  // namespace onemask
