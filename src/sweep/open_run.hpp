#pragma once

#include <onemask/comm/environment.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/store/object_store.hpp>
#include <onemask/study/study.hpp>
#include <onemask/tokenizer/tokenizer.hpp>
#include <onemask/work/text_pieces.hpp>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace onemask {

/// A study with its model, tokenizer and plan. One per rank; the parts are the same on all ranks.
struct OpenRun {
  ObjectStore objects;
  std::unique_ptr<CausalLM> model;
  Tokenizer tokenizer;
  Fingerprints fingerprints;
  std::vector<TextWindows> text;       ///< what perplexity is taken over
  c10::DeviceType worker = c10::kCPU;  ///< what the tasks are done on, wherever this process runs
  Plan plan = {};
  std::set<std::string> templates = {};  ///< objects of sampled context templates
  bool provisional = false;              ///< the plan: its context templates can only be sampled elsewhere
};

/// Where the tasks of a run are done: by this process, or by others while this one plans or gathers.
enum class Tasks { done_here, done_elsewhere };

/// Loads what a study needs, and plans it; `objects` is the folder of the object store. Collective; throws UserError on every
/// rank when the study does not fit the model or the ranks see different files.
OpenRun open_run(Environment const& environment, Study const& study, std::filesystem::path const& objects, Tasks tasks);

}  // namespace onemask
