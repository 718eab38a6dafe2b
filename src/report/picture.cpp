#include "report/picture.hpp"

#include "report/cells.hpp"
#include "report/svg_page.hpp"
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
constexpr auto margin = SvgPage::margin, letter_width = SvgPage::letter_width;
constexpr double row_height = 24, bar_height = 14, cap_height = 8;
constexpr double panel_height = 240, dot = 2.5, sample = 24;

/// Draws below each other what is given to it.
class Picture : public SvgPage {
 public:
  /// Bars begin right of labels of so many characters.
  explicit Picture(std::size_t label) : left_(2 * margin + letter_width * static_cast<double>(label)) {}

  double left() const { return left_; }
  /// Where a share lies; one beyond the scale at its end.
  double position(double share) const { return left_ + scale * std::clamp(share, 0.0, 1.0); }

  void bar(double y, double share, std::string const& kind) { rect(left_, y, position(share) - left_, bar_height, kind); }

  std::string whole(double height, std::string const& title) const {
    return SvgPage::whole(left_ + scale + value_width, height, title);
  }

 private:
  double left_;
};

/// The scale below a block that began at `top`.
void add_axis(Picture& picture, double top, double bottom) {
  for (int tick = 0; tick <= 100; tick += 20) {
    auto const x = picture.position(tick / 100.0);
    picture.line(x, top, x, bottom, "grid");
    picture.text(x, bottom + 16, fmt::format("{} %", tick), " text-anchor=\"middle\"");
  }
}

void add_row(Picture& picture, double top, BarRow const& row) {
  auto const middle = top + row_height / 2, low = picture.position(row.value.low), high = picture.position(row.value.high);
  picture.text(picture.left() - 8, middle + 4, row.label, " text-anchor=\"end\"");
  picture.bar(middle - bar_height / 2, row.value.mean, row.kind);
  picture.line(low, middle, high, middle, "whisker");
  for (auto const x : {low, high}) picture.line(x, middle - cap_height / 2, x, middle + cap_height / 2, "whisker");
  picture.text(picture.left() + scale + 12, middle + 4, percent(row.value.mean) + " % " + interval(row.value));
}

/// Returns the block's end.
double add_block(Picture& picture, double top, BarBlock const& block) {
  picture.text(margin, top + 14, block.title, " class=\"block\"");
  auto y = top + 24;
  add_axis(picture, y, y + row_height * static_cast<double>(block.rows.size()));
  for (auto const& row : block.rows) {
    add_row(picture, y, row);
    y += row_height;
  }
  return y + 40;
}

/// 1, 2 or 5 times a power of ten: at most 6 of it reach `most`.
double tick_of(double most) {
  auto const power = std::pow(10.0, std::floor(std::log10(most / 6)));
  for (double const step : {1, 2, 5}) {
    if (most <= 6 * step * power) return step * power;
  }
  return 10 * power;
}

/// Lines of one kind follow each other in other strokes.
std::string stroke_of(std::size_t earlier) {
  return earlier == 0 ? "" : fmt::format(" stroke-dasharray=\"{} 3\"", 12 / earlier + 1);
}

/// Returns the panel's end.
double add_panel(Picture& picture, double top, LinePanel const& panel) {
  picture.text(margin, top + 14, panel.title, " class=\"block\"");
  auto const begin = top + 24, end = begin + panel_height;
  double most = 0;
  for (auto const& line : panel.lines) {
    for (auto const& [x, y] : line.points) most = std::max(most, x);
  }
  if (!(most > 0)) most = 1;
  auto const across = [&](double x) { return picture.position(x / most); };
  auto const up = [&](double share) { return end - panel_height * std::clamp(share, 0.0, 1.0); };
  for (int percentage = 0; percentage <= 100; percentage += 20) {
    auto const y = up(percentage / 100.0);
    picture.line(picture.left(), y, picture.left() + scale, y, "grid");
    picture.text(picture.left() - 8, y + 4, fmt::format("{} %", percentage), " text-anchor=\"end\"");
  }
  auto const step = tick_of(most);
  for (int tick = 0; tick * step <= most * (1 + 1e-9); ++tick) {
    auto const x = across(tick * step);
    picture.line(x, begin, x, end, "grid");
    picture.text(x, end + 16, fmt::format("{:.4g}{}", tick * step, panel.unit), " text-anchor=\"middle\"");
  }
  std::map<std::string, std::size_t> earlier;
  auto legend = begin + 4;
  for (auto const& line : panel.lines) {
    std::vector<std::pair<double, double>> middle, band;
    for (auto const& [x, y] : line.points) {
      middle.emplace_back(across(x), up(y.mean));
      band.emplace_back(across(x), up(y.low));
    }
    for (auto point = line.points.rbegin(); point != line.points.rend(); ++point)
      band.emplace_back(across(point->x), up(point->y.high));
    auto const stroke = stroke_of(earlier[line.kind]++);
    picture.path(band, line.kind + " band", "", true);
    picture.path(middle, line.kind + " curve", stroke);
    for (auto const& [x, y] : middle) picture.circle(x, y, dot, line.kind);
    auto const right = picture.left() + scale + 12;
    picture.path({{right, legend}, {right + sample, legend}}, line.kind + " curve", stroke);
    picture.text(right + sample + 8, legend + 4, line.label);
    legend += 20;
  }
  return std::max(end, legend) + 40;
}

/// A picture with its title and the line below it; the content begins at `y`.
Picture titled(std::size_t label, std::string const& title, std::string const& explanation, bool empty, double& y) {
  Picture picture(label);
  picture.text(margin, 32, title, " class=\"title\"");
  picture.text(margin, 54, explanation);
  y = 74;
  if (empty) {
    picture.text(margin, y + 14, "Nothing is scored yet.");
    y += 34;
  }
  return picture;
}

}  // namespace

std::string bar_picture(std::string const& title, std::string const& explanation, std::vector<BarBlock> const& blocks) {
  std::size_t longest = 40;  // leaves room for the line under the title
  for (auto const& block : blocks) {
    for (auto const& row : block.rows) longest = std::max(longest, characters(row.label));
  }
  double y = 0;
  auto picture = titled(longest, title, explanation, blocks.empty(), y);
  for (auto const& block : blocks) y = add_block(picture, y, block);
  return picture.whole(y, title);
}

std::string line_picture(std::string const& title, std::string const& explanation, std::vector<LinePanel> const& panels) {
  constexpr std::size_t numbers = 6;  // "100 %"
  double y = 0;
  auto picture = titled(numbers, title, explanation, panels.empty(), y);
  for (auto const& panel : panels) y = add_panel(picture, y, panel);
  return picture.whole(y, title);
}

}  // namespace onemask
