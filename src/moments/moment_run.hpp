#pragma once

#include "moments/corpus_share.hpp"
#include <onemask/model/causal_lm.hpp>
#include <onemask/store/object_store.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace onemask {

/// What second moments are computed from, and where they and their checkpoints go.
struct MomentRun {
  Communicator const& world;
  CausalLM const& model;
  Tokenizer const& tokenizer;
  Corpus const& corpus;
  Reading reading;
  ObjectStore const& objects;
  std::filesystem::path const& checkpoints;
  std::function<bool()> const& stopped;         ///< whether it is to end early
  std::function<void(double)> const& progress;  ///< takes the share of this rank's tokens that is done; may be empty
  std::function<void(double)> const& resumes;   ///< takes the share that a checkpoint has, where there is one; may be empty
  std::function<void(std::string const&)> const& sums_through;  ///< takes what carries the sums; may be empty
};

/// Computes the second moments of some layers, in one pass over the corpus, and stores them under the given keys. Collective; see
/// make_moments.
void compute_moments(MomentRun const& run, std::map<int, std::string> const& keys);

}  // namespace onemask
