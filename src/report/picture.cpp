#include "report/picture.hpp"

#include "report/cells.hpp"
#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

// Lengths in pixels.
constexpr double scale = 400, value_width = 190;
constexpr auto margin = Drawing::margin, letter_width = Drawing::letter_width;
constexpr double row_height = 24, bar_height = 14, cap_height = 8;
constexpr double panel_height = 240, dot = 2.5, sample = 24;
constexpr double title_height = 24;  // of a block
constexpr TextLook middle{TextAnchor::middle}, right_aligned{TextAnchor::end}, bold{TextAnchor::begin, TextWeight::bold};

/// A drawing with a scale of shares, which begins right of labels of so many characters.
struct Plot {
  Plot(Drawing& to, std::size_t label) : drawing(to), left(2 * margin + letter_width * static_cast<double>(label)) {}

  /// Where a share lies; one beyond the scale at its end.
  double position(double share) const { return left + scale * std::clamp(share, 0.0, 1.0); }
  void finish(double height) const { drawing.set_size(left + scale + value_width, height); }

  Drawing& drawing;
  double left;
};

/// The scale below a block that began at `top`.
void add_axis(Plot const& plot, double top, double bottom) {
  for (int tick = 0; tick <= 100; tick += 20) {
    auto const x = plot.position(tick / 100.0);
    plot.drawing.line(x, top, x, bottom, true);
    plot.drawing.text(x, bottom + 16, fmt::format("{} %", tick), middle);
  }
}

void add_row(Plot const& plot, double top, BarRow const& row) {
  auto& drawing = plot.drawing;
  auto const at = top + row_height / 2, low = plot.position(row.value.low), high = plot.position(row.value.high);
  drawing.text(plot.left - 8, at + 4, row.label, right_aligned);
  drawing.rectangle(plot.left, at - bar_height / 2, plot.position(row.value.mean) - plot.left, bar_height, row.kind);
  drawing.line(low, at, high, at, false);
  for (auto const x : {low, high}) drawing.line(x, at - cap_height / 2, x, at + cap_height / 2, false);
  drawing.text(plot.left + scale + 12, at + 4, percent(row.value.mean) + " % " + interval(row.value));
}

/// Returns the block's end.
double add_bars(Plot const& plot, double top, BarBlock const& block) {
  add_axis(plot, top, top + row_height * static_cast<double>(block.rows.size()));
  for (auto const& row : block.rows) {
    add_row(plot, top, row);
    top += row_height;
  }
  if (block.scale.empty()) return top + 24;
  plot.drawing.text(plot.position(0.5), top + 34, block.scale, middle);
  return top + 42;
}

/// 1, 2 or 5 times a power of ten: at most 6 of it reach `most`.
double tick_of(double most) {
  auto const power = std::pow(10.0, std::floor(std::log10(most / 6)));
  for (double const step : {1, 2, 5}) {
    if (most <= 6 * step * power) return step * power;
  }
  return 10 * power;
}

/// What a scale reaches over, and the step between its ticks.
struct ScaleRange {
  double low, high, step;

  double share(double value) const { return (value - low) / (high - low); }
  std::vector<double> ticks() const {
    std::vector<double> all;
    auto const first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
    for (double tick = first; tick <= last; ++tick) all.push_back(tick * step + 0.0);  // not -0
    return all;
  }
};

/// From the smallest number, or 0, to the largest.
ScaleRange range_across(LinePanel const& panel) {
  double low = 0, high = 0;
  for (auto const& line : panel.lines) {
    for (auto const& [x, y] : line.points) low = std::min(low, x), high = std::max(high, x);
  }
  if (!(high > low)) high = low + 1;
  auto const step = tick_of(high - low);
  return {low, high, panel.whole ? std::max(1.0, step) : step};
}

/// Whole steps around 0 and all intervals, where not all shares are shown.
ScaleRange range_up(LinePanel const& panel) {
  if (panel.scale == UpScale::all_shares) return {0, 1, 0.2};
  double low = 0, high = 0;
  for (auto const& line : panel.lines) {
    for (auto const& [x, y] : line.points) low = std::min({low, y.low, y.mean}), high = std::max({high, y.high, y.mean});
  }
  if (!(high > low)) high = low + 1;
  auto const step = tick_of(high - low);
  return {std::floor(low / step) * step, std::ceil(high / step) * step, step};
}

/// Lines of one kind follow each other in other strokes.
std::vector<double> dash_of(std::size_t earlier) {
  if (earlier == 0) return {};
  return {static_cast<double>(12 / earlier + 1), 3};
}

/// Returns the panel's end.
double add_lines(Plot const& plot, double begin, LinePanel const& panel) {
  auto& drawing = plot.drawing;
  auto const end = begin + panel_height;
  auto const numbers = range_across(panel), heights = range_up(panel);
  auto const across = [&](double x) { return plot.position(numbers.share(x)); };
  auto const up = [&](double y) { return end - panel_height * std::clamp(heights.share(y), 0.0, 1.0); };
  for (auto const tick : heights.ticks()) {
    drawing.line(plot.left, up(tick), plot.left + scale, up(tick), true);
    auto const label = panel.scale == UpScale::numbers ? fmt::format("{:.4g}", tick) : fmt::format("{:.4g} %", 100 * tick);
    drawing.text(plot.left - 8, up(tick) + 4, label, right_aligned);
  }
  for (auto const tick : numbers.ticks()) {
    auto const x = across(tick);
    drawing.line(x, begin, x, end, true);
    drawing.text(x, end + 16, fmt::format("{:.4g}{}", tick, panel.unit), middle);
  }
  drawing.text(plot.position(0.5), end + 34, panel.across, middle);
  drawing.text(margin + 4, (begin + end) / 2, panel.up, {TextAnchor::middle, TextWeight::plain, true});
  std::map<std::string, std::size_t> earlier;
  auto legend = begin + 4;
  for (auto const& line : panel.lines) {
    std::vector<std::pair<double, double>> places, band;
    for (auto const& [x, y] : line.points) {
      places.emplace_back(across(x), up(y.mean));
      band.emplace_back(across(x), up(y.low));
      if (!line.is_connected) drawing.line(across(x), up(y.low), across(x), up(y.high), false);
    }
    for (auto point = line.points.rbegin(); point != line.points.rend(); ++point)
      band.emplace_back(across(point->x), up(point->y.high));
    auto const right = plot.left + scale + 12;
    if (line.is_connected) {
      auto const dash = dash_of(earlier[line.kind]++);
      drawing.band(band, line.kind);
      drawing.path(places, line.kind, dash);
      drawing.path({{right, legend}, {right + sample, legend}}, line.kind, dash);
    } else {
      drawing.circle(right + sample / 2, legend, 2 * dot, line.kind);
    }
    for (auto const& [x, y] : places) drawing.circle(x, y, line.is_connected ? dot : 2 * dot, line.kind);
    drawing.text(right + sample + 8, legend + 4, line.label);
    legend += 20;
  }
  return std::max(end + 42, legend + 8);
}

std::size_t longest_label(std::vector<BarBlock> const& blocks) {
  std::size_t longest = 0;
  for (auto const& block : blocks) {
    for (auto const& row : block.rows) longest = std::max(longest, characters(row.label));
  }
  return longest;
}

constexpr std::size_t share_characters = 6, number_characters = 8;  // "100 %", "-0.025"

/// A title and a line below it; returns where the content begins.
double add_title(Drawing& drawing, std::string const& title, std::string const& explanation, bool empty) {
  drawing.text(margin, 32, title, {TextAnchor::begin, TextWeight::title});
  drawing.text(margin, 54, explanation);
  if (!empty) return 74;
  drawing.text(margin, 88, "Nothing is scored yet.");
  return 108;
}

/// Blocks below each other, each with its title.
template <class Block, class Add>
std::string picture_of(std::string const& title, std::string const& explanation, std::vector<Block> const& blocks,
                       std::size_t label, Add const& add) {
  Drawing drawing;
  Plot const plot(drawing, label);
  auto y = add_title(drawing, title, explanation, blocks.empty());
  for (auto const& block : blocks) {
    drawing.text(margin, y + 14, block.title, bold);
    y = add(plot, y + title_height, block) + 16;
  }
  plot.finish(y);
  return svg_of(drawing, title);
}

}  // namespace

std::string bar_picture(std::string const& title, std::string const& explanation, std::vector<BarBlock> const& blocks) {
  constexpr std::size_t least = 40;  // leaves room for the line under the title
  return picture_of(title, explanation, blocks, std::max(least, longest_label(blocks)), add_bars);
}

std::string line_picture(std::string const& title, std::string const& explanation, std::vector<LinePanel> const& panels) {
  return picture_of(title, explanation, panels, share_characters, add_lines);
}

Drawing drawing_of(BarBlock const& block) {
  Drawing drawing;
  Plot const plot(drawing, longest_label({block}));
  plot.finish(add_bars(plot, 8, block));
  return drawing;
}

Drawing drawing_of(LinePanel const& panel) {
  Drawing drawing;
  Plot const plot(drawing, panel.scale == UpScale::all_shares ? share_characters : number_characters);
  plot.finish(add_lines(plot, 8, panel));
  return drawing;
}

}  // namespace onemask
