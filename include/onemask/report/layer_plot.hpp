#pragma once

#include <onemask/report/estimate.hpp>

#include <string>
#include <vector>

namespace onemask {

/// A score of edits of one layer, or of layers that end with it.
struct LayerScore {
  std::string layers;  ///< "4", "2 to 4"
  Estimate score;
  bool chosen = false;
};

/// An SVG picture of scores over layers: a bar for each, as in the plots of a study, the chosen one in another colour.
std::string layer_plot(std::string const& title, std::string const& explanation, std::vector<LayerScore> const& scores);

}  // namespace onemask
