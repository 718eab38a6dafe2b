#pragma once

#include <onemask/comm/environment.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/store/object_store.hpp>
#include <onemask/study/study.hpp>
#include <onemask/sweep/run.hpp>
#include <onemask/tokenizer/tokenizer.hpp>
#include <onemask/work/fact_scoring.hpp>
#include <onemask/work/text_pieces.hpp>

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace onemask {

/// The model of a study. One per rank.
struct LoadedModel {
  std::unique_ptr<CausalLM> model;
  Tokenizer tokenizer;
  Fingerprints fingerprints;
  c10::DeviceType worker = c10::kCPU;  ///< what the tasks are done on, wherever this process runs

  /// Whether this process computes on the kind of device that the tasks are done on.
  bool is_able() const { return worker == model->device().type(); }
};

/// A study with its model and plan. One per rank; the parts are the same on all ranks.
struct OpenRun : LoadedModel {
  ObjectStore objects;
  std::vector<TextWindows> text;  ///< what perplexity is taken over
  Plan plan = {};
  std::set<std::string> inputs = {};  ///< objects that the plan was made from: sampled context templates, margins of facts
  std::set<std::string> missing =
      {};  ///< kinds of them that can only be made elsewhere; the plan is provisional where there are any
};

/// Where the tasks of a run are done: by this process, or by others while this one plans or gathers.
enum class Tasks { done_here, done_elsewhere };

/// Loads a study's model. Collective; throws UserError on every rank when the study does not fit it.
LoadedModel load_model(Environment const& environment, Study const& study, Tasks tasks);

/// The margins of candidates are scored by these; the parts outlive it.
FactScoring scoring_of(Communicator const& world, Study const& study, LoadedModel const& loaded, ObjectStore const* objects);

/// Loads what a study needs, and plans it; facts that the plan depends on are scored first, within the time limit. Collective;
/// throws UserError on every rank when the study does not fit the model or the ranks see different files, Interrupted when it is
/// to stop.
OpenRun open_run(Environment const& environment, Study const& study, RunOptions const& options, Tasks tasks);

}  // namespace onemask
