#pragma once

#include "tune/climb.hpp"
#include "tune/tune_plan.hpp"

#include <string>
#include <vector>

namespace onemask {

/// What a tune found, for those who write it down.
struct TuneResults {
  TunePlan plan;
  std::string study;    ///< name
  std::string command;  ///< without its budget of time: what gives the same ladder anywhere
  std::filesystem::path checkpoint;
  int facts_per_model = 0;        ///< 0: all
  std::vector<TuneTrial> trials;  ///< rung after rung
};

/// Of every candidate its trial on the most facts: those on the last rung first, the best of each rung first.
std::vector<TuneTrial> final_trials(std::vector<TuneTrial> const& trials);
/// The best that fits on the last rung; null where none does.
TuneTrial const* winner(std::vector<TuneTrial> const& final);

/// For people: every candidate, its settings, scores and drift, then what was chosen and what is to be said of it.
std::string table_text(TuneResults const& results);
/// A line for every trial of every rung, RFC 4180.
std::string trials_csv(TuneResults const& results);
/// The plan and every trial, and which of them was chosen.
std::string trials_json(TuneResults const& results);
/// The best score of every layer, as an SVG picture.
std::string layers_svg(TuneResults const& results);
/// The settings of a trial as a hparams file, with comments that say how they were found.
std::string hparams_file(TuneResults const& results, TuneTrial const& chosen);

}  // namespace onemask
