#pragma once

#include <onemask/data/split.hpp>
#include <onemask/settings/analysis_options.hpp>
#include <onemask/settings/edit_options.hpp>
#include <onemask/settings/evaluation_options.hpp>
#include <onemask/settings/injection_options.hpp>
#include <onemask/settings/mask_options.hpp>
#include <onemask/settings/model_options.hpp>
#include <onemask/settings/moments_options.hpp>
#include <onemask/settings/perplexity_options.hpp>
#include <onemask/settings/tracing_options.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// A figure that someone has published, to be shown beside the study's own.
struct PublishedFigure {
  std::string split;   ///< of the study
  std::string model;   ///< kind of condition, e.g. "mask"
  std::string metric;  ///< one of the summary's, on rewrite prompts; "score", "zeros" or "perplexity"
  double value = 0;    ///< in per cent where the report shows per cent
  std::string note;
};

/// Published figures and where they stand.
struct Published {
  std::string source;
  std::vector<PublishedFigure> figures;
};

/// Which facts a mask is trained on.
struct TrainingFacts {
  std::string split = "train";
  std::vector<std::string> relations;  ///< of the split; empty: all
  int per_relation = 0;                ///< the first so many of each, those held back included; 0: all
  int models = 0;                      ///< of the edited models that hold them, only those in the first so many; 0: all
};

/// One combination of swept values.
struct StudyPoint {
  std::string name;      ///< the swept keys and values, e.g. "mask.seed=3"; "mask" when nothing is swept
  std::string edits;     ///< those of them under "edit."; "imported" for imported edits where none is swept
  std::string settings;  ///< those under "mask." but for the seed
  EditOptions edit;
  bool masked = true;             ///< whether a mask is trained over these edits
  MaskOptions mask;               ///< of imported edits with the layers that are named; none: the last, or all of them
  bool masks_all_layers = false;  ///< of imported edits
  std::uint64_t mask_seed = 0;
  TrainingFacts training;
};

/// A study, resolved: what `onemask sweep` runs.
struct Study {
  std::string name;
  std::filesystem::path base;  ///< folder that relative paths start from
  ModelOptions model;
  std::vector<FactSelection> facts;  ///< one per split, in order
  bool masks = true;                 ///< whether any are trained
  int ranks_per_mask = 0;            ///< 0: as many as give every mask a group, at least 1
  MomentsOptions moments;            ///< the text for second moments
  EvaluationPlan evaluation;
  std::optional<InjectionOptions> inject;   ///< facts that are edited under masks; nothing: none are
  std::optional<TracingOptions> tracing;    ///< facts that are traced in the unedited model; nothing: none are
  std::optional<AnalysisOptions> analysis;  ///< what is looked at inside of the models; nothing: no model is
  PerplexityOptions perplexity;
  Published published;
  bool peer_compatible = false;
  std::vector<StudyPoint> points;  ///< none where nothing is edited
  std::string resolved;            ///< the study with all overrides, as YAML

  /// The splits that masks are trained on, in the order of `facts`.
  std::vector<std::string> training_splits() const;
};

/// Overrides of a study from the command line.
struct StudyOverrides {
  std::vector<std::string> set;          ///< "key=value", e.g. "mask.epochs=50"
  std::vector<std::string> sweep;        ///< "key=list", e.g. "mask.seed=0..31", "edit.v_lr=0.5,1,2",
                                         ///< "mask.learning_rate=logspace(-3,-1,5)"; keys that move together: "key,key=list;list"
  std::optional<std::size_t> limit;      ///< at most so many facts of each split
  std::optional<EditHparams> edit = {};  ///< how facts are edited where the study names no hparams file
  bool masks = true;                     ///< false: 'mask: none', and no key under mask. is swept
};

/// Reads a study file (YAML, see docs/studies.md) and applies the overrides. Unknown keys, wrong types and values out of range
/// are UserErrors that name file and key and suggest the nearest name.
Study read_study(std::filesystem::path const& file, StudyOverrides const& overrides = {});

/// The values of a sweep list: "0..3" -> 0 1 2 3, "a,b,c", "logspace(-3,-1,3)" -> 0.001 0.01 0.1. Throws UserError.
std::vector<std::string> expand_list(std::string const& text);

}  // namespace onemask
