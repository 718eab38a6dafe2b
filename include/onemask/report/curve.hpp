#pragma once

#include <onemask/report/document.hpp>
#include <onemask/report/estimate.hpp>
#include <onemask/store/study_file.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// A kind of model at one size of its masks, on rewrite prompts; as in other reports a mean over masks of several seeds.
struct CurvePoint {
  double zeros;  ///< share of the edited matrix, mean over the masks
  Estimate rsr;
  std::optional<Estimate> kl, top1_kept;  ///< top1_kept: share of prompts whose likeliest token is the original model's
};

/// What a kind of model restores, and what it damages, over the share of zeros: all sizes that a study reads off its masks.
struct Curve {
  std::string split, edits;        ///< edits: the way of editing, "" for the only one
  std::string kind;                ///< of models, as in the table "conditions"
  std::string label;               ///< for people
  std::vector<CurvePoint> points;  ///< by zeros
  std::size_t planned;             ///< points; one of a model that has no masks
  /// Area under RSR(zeros) by trapezoids, divided by the range of zeros: the mean of RSR over the curve. Over the facts that
  /// have a score at all points; the interval resamples facts, and seeds where there are several. Nothing of less than two
  /// points.
  std::optional<Estimate> area;
};

/// The curves of every split and way of editing, with those of the baselines, and as single points the models without a mask.
/// A curve joins kinds that differ in mask.zeros, mask.threshold or a baseline's own zeros alone. Throws UserError where the
/// study has masks of one size only, and like format_table.
std::vector<Curve> curves_of(StudyFile const& study);

/// For people: RSR, KL and top-1 kept at every point, then the areas.
Document curve_document(StudyFile const& study, std::vector<Curve> const& curves);

/// A row for each point, after the study's status; the area of its curve stands in each row.
Table curve_table(StudyFile const& study, std::vector<Curve> const& curves);

/// An SVG picture: for every split and way of editing RSR over zeros, and RSR over KL. Bands are 95 % intervals.
std::string curve_picture(StudyFile const& study, std::vector<Curve> const& curves);

}  // namespace onemask
