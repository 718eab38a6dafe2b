#pragma once

#include <onemask/report/document.hpp>
#include <onemask/statistics/proportion.hpp>
#include <onemask/store/study_file.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// How far two masks of one shape [out, in] (1 = kept, 0 = zero) have their zeros at the same entries.
struct Overlap {
  double zeros_a, zeros_b;  ///< shares of zeros
  double iou;               ///< zeros of both / zeros of either; NaN where neither has any
  Interval interval;        ///< 95 %, by resampling rows: entries of a row are not independent
  double chance;            ///< IoU of independent masks with as many zeros: ab / (a + b - ab)
  double lift;              ///< share of zeros of both, by that of independent masks
  double rows, columns;     ///< correlation of the shares of zeros by row and by column; NaN where one is the same for all
};

/// Throws UserError where the shapes differ.
Overlap overlap_of(ByteMatrix const& a, ByteMatrix const& b);

/// How evenly the zeros of a mask are spread over its lines, rows or columns.
struct Spread {
  double largest;                                   ///< share of zeros of the line with the most
  double quantile;                                  ///< that 5 % of the lines exceed
  double deviation, by_chance;                      ///< standard deviation over the lines, and that of independent entries
  double gini;                                      ///< 0: as many in each, towards 1: all in one
  std::vector<std::pair<std::size_t, double>> top;  ///< the five lines with the most zeros: index, share
};

Spread spread_over_rows(ByteMatrix const& mask);
Spread spread_over_columns(ByteMatrix const& mask);

/// How much of the changes ΔW by the edits of a split lies where a mask is zero, by edited model.
struct ChangesAtZeros {
  std::string mask, layers, edits, split;                       ///< the mask's name and layers, the way of editing
  double zeros = 0;                                             ///< share of zeros, and so of the energy by chance
  std::int64_t planned = 0;                                     ///< edited models
  std::vector<double> norm = {}, at_zeros = {};                 ///< Frobenius norms |ΔW| and |ΔW ∘ (1 - M)|
  std::vector<double> size_at_zeros = {}, size_elsewhere = {};  ///< means of the entries' |ΔW|
};

/// Means of the entries' |W|, W the unedited matrix that a mask is put on.
struct WeightSizes {
  double at_zeros, elsewhere;
};

/// What the objects of a run say of its masks beside their zeros.
struct MaskObjects {
  std::map<std::string, std::vector<std::uint32_t>> ranks;  ///< of the soft masks, as doubled_ranks gives them, by object
  std::vector<ChangesAtZeros> changes;
  std::map<std::string, WeightSizes> weights;  ///< by name of mask; where a model was given
  std::string note;                            ///< what is missing, in a sentence
};

/// The masks of a study file in the order of the plan; of a run in progress some may be missing.
std::vector<ByteMatrix const*> masks_of(StudyFile const& study);

/// Overlaps and spreads of the masks in a study file, and what the run's objects say beside: means over the pairs of masks that
/// differ in the same way, and with `per_pair` every pair with its interval. Masks that are cut to different sizes are not
/// compared. Throws UserError where the file has no mask.
Document overlap_document(StudyFile const& study, MaskObjects const& objects, bool per_pair);

}  // namespace onemask
