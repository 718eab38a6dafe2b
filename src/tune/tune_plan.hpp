#pragma once

#include "tune/ladder.hpp"
#include "tune/rung_study.hpp"
#include <onemask/data/counterfact.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// What a tune does, before it is done. The folder keeps it, so that a start that follows climbs the same ladder.
struct TunePlan {
  std::string method;
  std::string start;      ///< the settings that it begins with, as lines of a hparams file
  std::string probes;     ///< hash of the probe facts
  std::size_t facts = 0;  ///< their number
  std::string budget;     ///< as the command line has it; empty: none
  DriftMeasure measure = DriftMeasure::neighborhood_kl;
  double max_drift = 0;
  Ladder ladder;
  std::optional<MeasuredRate> rate;  ///< that turned a budget of time into the ladder
  std::optional<int> peak = {};      ///< the layer that causal tracing names
};

/// RUN/ladder.json.
std::filesystem::path plan_file(std::filesystem::path const& folder);
std::string to_json(TunePlan const& plan);
/// Throws UserError, naming `where`, for anything else.
TunePlan tune_plan_from_json(std::string const& text, std::string const& where);

/// Throws UserError, naming what differs, where the folder's plan is that of another tune.
void require_same_tune(TunePlan const& stored, TunePlan const& wanted, std::filesystem::path const& folder);

}  // namespace onemask
