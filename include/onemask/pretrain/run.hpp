#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/pretrain/perplexity.hpp>
#include <onemask/pretrain/recall.hpp>
#include <onemask/pretrain/study.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// What a training came to.
struct PretrainReport {
  std::string name, study;  ///< `study`: hash of all that decides the weights
  std::string questions;    ///< hash of all that is measured at the end
  std::string sha256;       ///< of model.safetensors
  std::int64_t parameters = 0, steps = 0, tokens = 0;
  double seconds = 0;  ///< of training, over all runs that had a part in it
  int ranks = 1;       ///< of the last of them
  std::vector<Recall> recall;
  std::optional<Perplexity> perplexity;
};

std::string to_json(PretrainReport const& report);
std::string to_table(PretrainReport const& report);

/// Trains the study's model on all ranks of `comm`, one thread each, and writes it into `folder` as a Hugging Face folder, with
/// training.json beside it. A training that was stopped goes on from its last checkpoint; one that is complete only gives its
/// report again, measured anew where other recall or perplexity is asked for. The model's bytes do not depend on ranks and stops.
///
/// Throws UserError where the folder holds another study's training or another model, Interrupted after a signal.
PretrainReport run_pretraining(PretrainStudy const& study, std::filesystem::path const& folder, Communicator const& comm);

}  // namespace onemask
