#pragma once

#include <onemask/checkpoint/config.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// What a model learns from.
struct PretrainCorpus {
  std::vector<std::filesystem::path> statements;  ///< *.jsonl of {"prompt", "target"}, *.json of CounterFact records
  std::vector<std::filesystem::path> text;        ///< as Corpus::of_texts reads it; may be none
  double text_share = 0.15;                       ///< of the places of a step's rows
};

/// How weights are trained. Everything that decides bits is here, in the corpus and in the seed, never in the number of ranks.
struct TrainingOptions {
  std::int64_t steps = 0, warmup = 50;
  std::int64_t rows = 32;  ///< of a step
  std::int64_t row_tokens = 128;
  std::int64_t micro_rows = 4;  ///< rows that run through the model at once; what ranks share out
  double muon_lr = 0.02, adam_lr = 2e-3;
  std::string schedule = "cosine";      ///< or "linear": how rates go down after the warmup
  double min_lr_ratio = 0.05;           ///< of the last step's rates to the highest
  double object_weight = 3;             ///< of an object's tokens in the loss; other tokens have 1
  double other_share = 0.25;            ///< of the other tokens that have a loss at all, drawn anew each time
  double prefix_share = 0.33;           ///< of statements that stand behind up to 10 tokens of the text and "."
  double period_share = 0.3;            ///< of statements that have "." behind the object
  std::string precision = "bfloat16";   ///< inputs of products and activations: or "float32"; weights and sums are float32
  std::string dtype = "float16";        ///< of the file: or "float32", "bfloat16"
  std::int64_t checkpoint_every = 200;  ///< [steps]
  std::int64_t recall_every = 200;      ///< [steps] between looks at a sample of the recall sets
};

/// Facts whose recall is measured at the end.
struct RecallSet {
  std::string name;
  std::vector<std::filesystem::path> files;  ///< of CounterFact records
  std::size_t heldout_paraphrases = 0;       ///< the last so many of each record are wordings it was not trained on
  std::optional<std::size_t> limit;          ///< the first so many facts of each relation
};

/// A pre-training to run.
struct PretrainStudy {
  std::string name;
  std::uint64_t seed = 0;
  ModelConfig model;                               ///< vocabulary 0: the tokenizer's
  std::optional<std::int64_t> tokenizer_size;      ///< to train one on the corpus
  std::optional<std::filesystem::path> tokenizer;  ///< folder of one that is there
  PretrainCorpus corpus;
  TrainingOptions training;
  std::vector<RecallSet> recall;
  std::optional<std::filesystem::path> perplexity;  ///< held-out text
  std::string settings;  ///< all that decides the weights, but for the content of files, as text to be hashed
};

/// Reads a study file; `settings` are of the form key=value and replace its values. Names of files are relative to the study, and
/// may be patterns. Throws UserError naming file and key for anything missing, unknown or out of range.
PretrainStudy read_pretrain_study(std::filesystem::path const& file, std::vector<std::string> const& settings);

}  // namespace onemask
