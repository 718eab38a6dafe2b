#pragma once

#include <onemask/plan/plan.hpp>
#include <onemask/schedule/stage_record.hpp>
#include <onemask/store/object_store.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace onemask {

/// Where a run's results are, and what they are of.
struct GatherSource {
  Plan const& plan;
  Study const& study;
  ObjectStore const& objects;
  std::filesystem::path journals;  ///< folder
  std::string model, tokenizer;    ///< fingerprints
  std::vector<StageRecord> stages = {};
  std::map<std::string, std::string> runtime = {};  ///< versions and processor of this process
  std::set<std::string> inputs = {};                ///< objects that the plan was made from
};

/// Writes study.h5 (docs/results.md) from what is there so far: objects that are missing or damaged lower the numbers of facts
/// that means are taken over. Only reads, so a run may go on beside it. Memory holds one task's rows, one mask, and the means by
/// fact under the conditions of one mask. Returns whether everything planned is there.
bool gather(GatherSource const& source, std::filesystem::path const& file);

}  // namespace onemask
