#pragma once

#include <onemask/report/document.hpp>
#include <onemask/statistics/proportion.hpp>
#include <onemask/store/study_file.hpp>

#include <cstddef>
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

/// Overlaps and spreads of the masks in a study file: means over the pairs of masks that differ in the same way, and with
/// `per_pair` every pair with its interval. Throws UserError where the file has no mask.
Document overlap_document(StudyFile const& study, bool per_pair);

}  // namespace onemask
