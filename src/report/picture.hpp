#pragma once

#include "report/drawing.hpp"
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
  std::string scale = "";  ///< what the lengths are
};

/// A point of a line: a mean with its interval, over some number.
struct LinePoint {
  double x;
  Estimate y;
};

/// A line through points, with a band for the interval; or points alone, with whiskers.
struct PictureLine {
  std::string kind;  ///< of models, which has a colour
  std::string label;
  std::vector<LinePoint> points;
  bool is_connected = true;
};

/// What the upper scale of a panel shows: all shares from 0 to 100 %; or as much as there is, of shares or of numbers.
enum class UpScale { all_shares, shares, numbers };

/// Lines over one scale of numbers from 0 on, or from below where there are any.
struct LinePanel {
  std::string title;
  std::string unit;  ///< behind the numbers
  std::vector<PictureLine> lines;
  std::string across, up;  ///< what the two scales are
  UpScale scale = UpScale::all_shares;
  bool whole = false;  ///< the numbers are whole, as those of layers
};

/// An SVG picture of blocks below each other, which follows the reader's light or dark mode. Equal blocks give equal bytes.
std::string bar_picture(std::string const& title, std::string const& explanation, std::vector<BarBlock> const& blocks);

/// The same of panels with lines; with a legend beside each.
std::string line_picture(std::string const& title, std::string const& explanation, std::vector<LinePanel> const& panels);

/// A block or a panel alone, without its title.
Drawing drawing_of(BarBlock const& block);
Drawing drawing_of(LinePanel const& panel);

}  // namespace onemask
