#pragma once

#include <onemask/report/document.hpp>
#include <onemask/report/estimate.hpp>
#include <onemask/settings/tracing_options.hpp>
#include <onemask/store/study_file.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// Effects of restoring one kind of state: P(true object) where it is restored, less P where nothing is. By fact.
struct TracedKind {
  TraceKind kind;
  /// By place and layer, of the facts whose prompts have the place.
  std::map<TracePlace, std::vector<std::vector<double>>> effects;
  std::map<TracePlace, std::vector<std::optional<Estimate>>> means = {};  ///< of each of them
};

/// The layer around which restoring helps most, on average over facts.
struct TracingPeak {
  int layer = 0;
  int low = 0, high = 0;  ///< the layer's 95 % interval: the peaks of resampled facts
  Estimate effect;        ///< there
};

/// The tables "tracing" and "tracing_facts" of a study file.
class TracingReport {
 public:
  /// Throws UserError where the study has none, or a row is of no kind, place or traced fact.
  explicit TracingReport(StudyFile const& study);

  int layers() const { return layers_; }
  std::vector<TracedKind> const& kinds() const { return kinds_; }
  /// P(true object) where nothing is restored, of its first token or the whole of it; nothing where no fact is traced yet.
  std::optional<Estimate> clean() const { return mean(clean_); }
  std::optional<Estimate> corrupted() const { return mean(corrupted_); }
  std::optional<Estimate> object_clean() const { return mean(object_clean_); }
  std::optional<Estimate> object_corrupted() const { return mean(object_corrupted_); }
  /// Nothing where no prompt has the place.
  std::optional<Estimate> effect(TracedKind const& kind, TracePlace place, int layer) const;
  /// Nothing where the kind was not restored, or no prompt has the place.
  std::optional<TracingPeak> peak(TraceKind kind, TracePlace place) const;
  /// Where ROME looks for the layer to edit: MLPs at the subject's last token. Throws UserError where there is none,
  /// or its interval reaches 0.
  TracingPeak layer_to_edit() const;
  double deviation() const { return deviation_; }  ///< of the noise
  std::string const& split() const { return split_; }

 private:
  std::optional<Estimate> mean(std::vector<double> const& values) const;
  std::vector<std::optional<Estimate>> means(std::vector<std::vector<double>> const& layers) const;

  int layers_ = 0;
  std::int64_t planned_ = 0;
  double deviation_ = 0;
  std::string split_;
  std::vector<double> clean_, corrupted_, object_clean_, object_corrupted_;  ///< of the facts that are traced
  std::vector<TracedKind> kinds_;
};

/// For people: a table of effects over layers and places for every kind of state, and what was found.
Document tracing_document(StudyFile const& study);
/// A row for each kind, place and layer, after the study's status; and for the probabilities where nothing is restored.
Table tracing_table(StudyFile const& study);
/// An SVG picture: for every kind a heat map of effects over places and layers.
std::string tracing_picture(StudyFile const& study);
/// What was found in words, a paragraph; none of a study that traces nothing, or has traced no fact yet.
std::vector<std::string> tracing_findings(StudyFile const& study);

}  // namespace onemask
