#pragma once

#include <onemask/report/estimate.hpp>

#include <string>
#include <vector>

namespace onemask {

/// A bar as long as its mean, a share, with the interval as a whisker.
struct BarRow {
  std::string kind;  ///< of models, which has a colour
  std::string label;
  Estimate value;
};

/// Bars below each other, over one scale.
struct BarBlock {
  std::string title;
  std::vector<BarRow> rows;
};

/// An SVG picture of blocks below each other, which follows the reader's light or dark mode. Equal blocks give equal bytes.
std::string bar_picture(std::string const& title, std::string const& explanation, std::vector<BarBlock> const& blocks);

}  // namespace onemask
