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

/// A point of a line: a share, with its interval, over some number.
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

/// Lines over one scale of numbers from 0 on, and of shares from 0 to 100 %.
struct LinePanel {
  std::string title;
  std::string unit;  ///< behind the numbers
  std::vector<PictureLine> lines;
  std::string across, up;  ///< what the two scales are
};

/// An SVG picture of blocks below each other, which follows the reader's light or dark mode. Equal blocks give equal bytes.
std::string bar_picture(std::string const& title, std::string const& explanation, std::vector<BarBlock> const& blocks);

/// The same of panels with lines; with a legend beside each.
std::string line_picture(std::string const& title, std::string const& explanation, std::vector<LinePanel> const& panels);

/// A block or a panel alone, without its title.
Drawing drawing_of(BarBlock const& block);
Drawing drawing_of(LinePanel const& panel);

}  // namespace onemask
