#pragma once

#include <onemask/comm/environment.hpp>
#include <onemask/dispatch/run_ending.hpp>
#include <onemask/settings/edit_hparams.hpp>
#include <onemask/study/study.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// How much work a tune may be; one of the two.
struct TuneBudget {
  std::optional<std::size_t> edits;  ///< searches for a fact's value
  std::optional<double> seconds;     ///< of wall time, on the ranks of the first start
  std::string text;                  ///< as the command line has it
};

/// "500edits" or a time such as "40m". Throws UserError.
TuneBudget parse_tune_budget(std::string const& text);

/// Where causal tracing finds facts in a model.
struct TracedLayer {
  int layer = 0, layers = 0;  ///< of the model's so many
};

struct TuneOptions {
  std::filesystem::path folder;               ///< RUN: ladder, probe facts, a run folder for every rung, products
  std::filesystem::path hparams;              ///< where the settings that were found go as well; empty: only RUN/hparams.yaml
  bool overwrite = false;                     ///< whether `hparams` may exist
  std::size_t facts = 50;                     ///< probe facts
  std::vector<std::filesystem::path> probes;  ///< files of probe facts; none: those of the study
  std::optional<TracedLayer> peak;            ///< is among the layers that are tried first; none: no matter which
  std::optional<TuneBudget> budget;           ///< none: a ladder of middle size
  std::optional<double> max_drift;            ///< none: the measure's own limit
  std::string command;                        ///< what the hparams file says that it was found by
  double time_limit = 0;                      ///< as in RunOptions
  double deadline = 0;
};

struct TuneOutcome {
  RunEnding ending;
  std::string text = {};  ///< table and choice, on rank 0 when it is complete
  bool chosen = false;    ///< whether any candidate is within the limit of drift
};

/// What a search begins with for a method where no hparams file says it. Layers of -1 depend on the model.
EditHparams usual_hparams(EditMethod method);

/// Finds layers and settings for a method of editing, by successive halving on facts that no split of the study has: a ladder of
/// studies (rungs) with ever fewer candidates and more facts, each run by run_study. It starts with the way of editing of the
/// study, which must have one only.
///
/// Collective; the same choice on any number of ranks and after any interruption, for the ladder is written into the folder
/// before it is climbed. Throws on every rank: UserError for a method without such settings, edits that a ladder could not use
/// again, too few probe facts, a budget that no ladder fits, a folder of another tune, a file that would be overwritten;
/// Interrupted where it must stop while facts are scored that the model may know.
TuneOutcome tune_study(Environment const& environment, Study const& study, TuneOptions const& options);

}  // namespace onemask
