#pragma once

#include <onemask/data/split.hpp>
#include <onemask/edit/context_templates.hpp>
#include <onemask/edit/hparams.hpp>
#include <onemask/mask/options.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// The model that is edited, and how it runs. All of it decides bits.
struct ModelOptions {
  std::filesystem::path checkpoint;
  std::string device = "auto";       ///< cpu, cuda, cuda:N or auto (cuda where there is one)
  std::string dtype = "float32";     ///< of weights and activations
  std::string products = "float32";  ///< of matrix products on CPUs: float32, or bfloat16 inputs with float32 sums
  int threads = 1;                   ///< per rank
};

/// What second moments are taken over: texts, or token ids, or nothing where `files` has every layer. All but the files' names
/// decides bits.
struct MomentsOptions {
  std::vector<std::filesystem::path> text;     ///< files or patterns, see Corpus::of_texts
  std::filesystem::path ids;                   ///< *.safetensors with one integer tensor [segments, length], or JSON lines
  std::int64_t tokens = 0;                     ///< only the first so many, 0: all
  int segment = 0;                             ///< longest segment [tokens], 0: the model's positions, at most 1024
  std::map<int, std::filesystem::path> files;  ///< finished ones by layer, see import_second_moment
};

/// How facts are edited.
struct EditOptions {
  EditHparams hparams;
  ContextTemplates templates;  ///< given ones; empty: sampled from the model
  std::uint64_t template_seed = 0;
  int batch = 16;           ///< facts per unit of work
  int facts_per_model = 0;  ///< for methods that edit in batches; 0: all facts of a split
  bool sequential = false;  ///< every batch is written into the model that carries those before it
};

/// How masks are scored.
struct EvaluationPlan {
  int batch = 16;  ///< facts per unit of work
  std::vector<std::string> baselines = {"random", "magnitude", "delta_magnitude"};
  bool paraphrases = true;
  bool neighborhood = false;    ///< score other subjects with the same true object
  bool masked_original = true;  ///< score the unedited model under each mask as well
};

/// The text whose perplexity is taken, and how it is cut (see cut_text). All but the files' names decides bits.
struct PerplexityOptions {
  std::vector<std::filesystem::path> text;  ///< files or patterns, see Corpus::of_texts; none: no perplexity
  std::int64_t tokens = 0;                  ///< only the first so many, 0: all
  std::int64_t segment = 0;                 ///< longest window [tokens], 0: the model's positions, at most 1024
  std::int64_t stride = 0;                  ///< from one window's beginning to the next one's [tokens], 0: no overlap
};

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

/// One combination of swept values.
struct StudyPoint {
  std::string name;      ///< the swept keys and values, e.g. "mask.seed=3"; "mask" when nothing is swept
  std::string edits;     ///< those of them under "edit."
  std::string settings;  ///< those under "mask." but for the seed
  EditOptions edit;
  bool masked = true;  ///< whether a mask is trained over these edits
  MaskOptions mask;
  std::uint64_t mask_seed = 0;
};

/// A study, resolved: what `onemask sweep` runs.
struct Study {
  std::string name;
  std::filesystem::path base;  ///< folder that relative paths start from
  ModelOptions model;
  std::vector<FactSelection> facts;   ///< one per split, in order
  std::string train_split = "train";  ///< the split that masks are trained on
  bool masks = true;                  ///< whether any are trained
  int ranks_per_mask = 0;             ///< 0: as many as give every mask a group, at least 1
  MomentsOptions moments;             ///< the text for second moments
  EvaluationPlan evaluation;
  PerplexityOptions perplexity;
  Published published;
  bool peer_compatible = false;
  std::vector<StudyPoint> points;
  std::string resolved;  ///< the study with all overrides, as YAML
};

/// Overrides of a study from the command line.
struct StudyOverrides {
  std::vector<std::string> set;      ///< "key=value", e.g. "mask.epochs=50"
  std::vector<std::string> sweep;    ///< "key=list", e.g. "mask.seed=0..31", "edit.v_lr=0.5,1,2",
                                     ///< "mask.learning_rate=logspace(-3,-1,5)"; keys that move together: "key,key=list;list"
  std::optional<std::size_t> limit;  ///< at most so many facts of each split
};

/// Reads a study file (YAML, see docs/studies.md) and applies the overrides. Unknown keys, wrong types and values out of range
/// are UserErrors that name file and key and suggest the nearest name.
Study read_study(std::filesystem::path const& file, StudyOverrides const& overrides = {});

/// The values of a sweep list: "0..3" -> 0 1 2 3, "a,b,c", "logspace(-3,-1,3)" -> 0.001 0.01 0.1. Throws UserError.
std::vector<std::string> expand_list(std::string const& text);

}  // namespace onemask
