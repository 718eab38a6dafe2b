#pragma once

#include "report/drawing.hpp"

#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// Numbers by rows and columns. The colour is stronger the further a number is from 0, and another one below 0.
struct HeatMap {
  std::vector<std::string> rows, columns;
  std::vector<std::vector<std::optional<double>>> cells;  ///< by row and column
  std::string across;                                     ///< what the columns are
  std::string unit = "";                                  ///< behind the numbers of the scale
};

/// The largest number without its sign; 0 of none.
double strongest(HeatMap const& map);

/// Draws a map with its scale from `y` on; returns its end.
double add_heat_map(Drawing& drawing, double y, HeatMap const& map);
Drawing drawing_of(HeatMap const& map);

}  // namespace onemask
