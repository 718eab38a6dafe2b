#pragma once

#include <onemask/model/causal_lm.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/settings/fingerprints.hpp>
#include <onemask/store/object_store.hpp>
#include <onemask/study/study.hpp>
#include <onemask/tokenizer/tokenizer.hpp>
#include <onemask/work/text_pieces.hpp>

#include <filesystem>
#include <vector>

namespace onemask {

/// What tasks are done with. All of it outlives the work; the parts are the same on all ranks.
struct WorkContext {
  Study const& study;
  Plan const& plan;
  Fingerprints const& fingerprints;
  CausalLM const& model;
  Tokenizer const& tokenizer;
  std::vector<TextWindows> const& text;  ///< what perplexity is taken over
  ObjectStore const& objects;
  std::filesystem::path checkpoints;  ///< folder
};

}  // namespace onemask
