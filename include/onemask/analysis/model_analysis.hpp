#pragma once

#include <onemask/analysis/pass_recorder.hpp>
#include <onemask/settings/analysis_options.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// What is found in one model of some facts; all on the CPU. What was not asked for is undefined. Places are those of
/// AnalysisOptions::places, and tokens the true and the new object's. Facts that are not edited in the model have NaN everywhere.
struct ModelAnalysis {
  at::Tensor contributions;  ///< [facts, places, 2 * layers + 3, 2] float32: see contributions() in src/analysis
  at::Tensor heads;          ///< [facts, places, layers, heads + 1, 2] float32: the heads, and the bias of their projection
  at::Tensor sources;        ///< [facts, places, layers, heads or 1, width, 2] float32: by the place that is read
  at::Tensor units;      ///< [places, edited layers, inner, 3] float64: sums over facts of both contributions and of |new - true|
  at::Tensor attention;  ///< [facts, layers, 1 or 1 + heads, measures] float32: the layer, then its heads (AttentionMeasure)
  at::Tensor traces;     ///< [facts, places, layers + 1, 6] float32: logits so far, log-probabilities, ranks
  at::Tensor aligned_maps;  ///< [facts, 4, layers + 1, 3] float32: distance, log-odds, attention at shared places
  at::Tensor maps;          ///< [facts, width, layers + 1, 3] float32: the same at all places
  std::int64_t facts = 0;   ///< in the sums of `units`
};

/// Facts made ready to be looked at in any number of models. The unedited model is recorded once.
class FactAnalyser {
 public:
  /// `layers` are those whose second projections the models change, ascending. The model must outlive it.
  FactAnalyser(CausalLM const& model, std::vector<SubjectPrompt> const& prompts, std::vector<int> const& layers,
               AnalysisOptions const& options, bool published);

  PassRecord const& original() const { return original_; }
  PassRecord record(RecordedModel const& recorded) const { return recorder_.record(recorded); }
  /// `missing` [facts] bool: those that are not edited in this model; undefined: none.
  ModelAnalysis analyse(RecordedModel const& recorded, PassRecord const& record, at::Tensor const& missing) const;
  /// Dimensions of the residual stream, [facts, places, layers + 1, dimensions] float32 on the CPU; NaN of missing facts.
  at::Tensor tracks(PassRecord const& record, std::vector<std::int64_t> const& dimensions, at::Tensor const& missing) const;

 private:
  at::Tensor by_fact(at::Tensor const& of_read, at::Tensor const& missing) const;

  CausalLM const& model_;
  AnalysisOptions options_;
  bool published_;
  PassRecorder recorder_;
  PassRecord original_;
  at::Tensor places_;  ///< [places] int64: which of the two read places of a prompt
  at::Tensor some_;    ///< [facts * places] int64: the read places that are asked for
};

/// How dimensions run through the models of a mask.
struct DimensionTracks {
  std::vector<std::int64_t> dimensions;  ///< those with most zeros in their rows of the mask, then as many drawn at random
  std::vector<double> zeros;             ///< share of zeros in each one's rows
  at::Tensor values;                     ///< [models, facts, places, layers + 1, dimensions] float32: as planned for AnalysisTask
};

/// The result of a task of analysis.
struct AnalysisResult {
  std::vector<ModelAnalysis> models;
  DimensionTracks tracks;  ///< none: no dimensions
};

/// Facts of several such results one behind the other; all of the same models. Rows that are too short have NaN behind them.
AnalysisResult joined(std::vector<AnalysisResult> const& parts);

/// A safetensors file.
std::string to_bytes(AnalysisResult const& result);
/// Throws UserError naming `source` when the bytes are not such a result.
AnalysisResult analysis_from_bytes(std::string bytes, std::string const& source);

}  // namespace onemask
