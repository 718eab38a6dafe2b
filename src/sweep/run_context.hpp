#pragma once

#include "sweep/text_pieces.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/data/tokenizer.hpp>
#include <onemask/edit/batch_edit.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/store/object_store.hpp>
#include <onemask/sweep/plan.hpp>
#include <onemask/sweep/run.hpp>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// What every task of a run needs. One per rank; the parts are the same on all ranks.
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
  bool on_gpus = false;                  ///< the tasks, wherever this process runs
  bool does_tasks = true;                ///< this process, which otherwise only plans or gathers
  bool provisional = false;              ///< the plan, whose context templates can only be sampled elsewhere
  std::set<std::string> templates = {};  ///< objects of sampled context templates
  std::vector<TextWindows> text = {};    ///< what perplexity is taken over
  /// The batch edit read last: many tasks in a row need the same.
  mutable std::pair<std::string, std::shared_ptr<BatchEdit const>> last_batch = {};

  bool is_root() const { return world.rank() == 0; }
  /// An object that a task before this one has made; `what` names it. Throws RunError when it is not in the store.
  std::string need(std::string const& key, std::string const& what) const;
  /// The edit of a fact that has one of its own.
  Edit edit(EditSet const& set, std::size_t fact) const;
  std::shared_ptr<BatchEdit const> batch_edit(std::string const& key) const;
  SharedMask shared_mask(MaskTask const& task) const;
};

/// The edits of some facts of a set. Where facts share an edited model, an edit has the outcome but no factors.
std::vector<std::pair<std::size_t, Edit>> edits_of(RunContext const& run, std::size_t set, std::vector<std::size_t> const& facts);

}  // namespace onemask
