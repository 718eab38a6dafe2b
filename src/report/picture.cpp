#include "report/picture.hpp"

#include "report/cells.hpp"
#include <onemask/core/text.hpp>
#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

// Lengths in pixels.
constexpr double scale = 400, value_width = 190, margin = 20, letter_width = 7.2;
constexpr double row_height = 24, bar_height = 14, cap_height = 8;
constexpr double panel_height = 240, dot = 2.5, sample = 24;

constexpr char const* style = R"(<style>
text { fill: #1a1a1a; font-family: system-ui, sans-serif; font-size: 13px; }
rect, circle, .band { fill: currentColor; }
.page { fill: #ffffff; }
.title { font-size: 17px; font-weight: bold; }
.block { font-weight: bold; }
.grid { stroke: #d0d0d0; }
.whisker { stroke: #1a1a1a; stroke-width: 1.5; }
.curve { fill: none; stroke: currentColor; stroke-width: 2; }
.band { opacity: 0.15; }
.original { color: #999999; }
.edited { color: #d55e00; }
.mask { color: #0072b2; }
.random { color: #cc79a7; }
.magnitude { color: #e69f00; }
.delta_magnitude { color: #009e73; }
.original_masked { color: #56b4e9; }
.dropped { color: #000000; }
.pruned { color: #b3742d; }
.bottom_rank { color: #7a4fa3; }
.shrunk { color: #6b8e23; }
@media (prefers-color-scheme: dark) {
.page { fill: #161616; }
text { fill: #f0f0f0; }
.grid { stroke: #4a4a4a; }
.whisker { stroke: #f0f0f0; }
.mask { color: #3d9be0; }
.dropped { color: #f0e442; }
}
</style>
)";

/// A text as XML holds it: valid UTF-8, without control characters.
std::string escaped(std::string const& text) {
  using Json = nlohmann::json;
  auto const valid = Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
  std::string result;
  for (char const letter : valid) {
    switch (letter) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F ? ' ' : letter;
    }
  }
  for (std::string_view const never : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"}) {  // U+FFFE, U+FFFF
    for (auto place = result.find(never); place != std::string::npos; place = result.find(never))
      result.replace(place, 3, "\xEF\xBF\xBD");
  }
  return result;
}

std::string attribute(char const* name, double value) {
  return std::string(" ") + name + "=\"" + number(value, 2) + "\"";
}

/// Draws below each other what is given to it.
class Picture {
 public:
  /// Bars begin right of labels of so many characters.
  explicit Picture(std::size_t label) : left_(2 * margin + letter_width * static_cast<double>(label)) {}

  double left() const { return left_; }
  /// Where a share lies; one beyond the scale at its end.
  double position(double share) const { return left_ + scale * std::clamp(share, 0.0, 1.0); }

  void text(double x, double y, std::string const& what, std::string const& attributes = "") {
    right_ = std::max(right_, x + letter_width * static_cast<double>(characters(what)) + margin);
    body_ += "<text" + attribute("x", x) + attribute("y", y) + attributes + ">" + escaped(what) + "</text>\n";
  }
  void line(double x1, double y1, double x2, double y2, char const* kind) {
    body_ += std::string("<line class=\"") + kind + "\"" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) +
             attribute("y2", y2) + "/>\n";
  }
  void bar(double y, double share, std::string const& kind) {
    body_ += "<rect class=\"" + kind + "\"" + attribute("x", left_) + attribute("y", y) +
             attribute("width", position(share) - left_) + attribute("height", bar_height) + "/>\n";
  }

  /// A line through places, or with `area` what they enclose.
  void path(std::vector<std::pair<double, double>> const& places, std::string const& kind, std::string const& attributes = "",
            bool area = false) {
    auto const points =
        join(places, " ", [](auto const& place) { return number(place.first, 2) + "," + number(place.second, 2); });
    body_ +=
        std::string(area ? "<polygon" : "<polyline") + " class=\"" + kind + "\" points=\"" + points + "\"" + attributes + "/>\n";
  }
  void circle(double x, double y, std::string const& kind) {
    body_ += "<circle class=\"" + kind + "\"" + attribute("cx", x) + attribute("cy", y) + attribute("r", dot) + "/>\n";
  }

  std::string whole(double height, std::string const& title) const {
    auto const width = std::max(left_ + scale + value_width, right_);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 " + number(width, 2) + " " + number(height, 2) +
           "\"" + attribute("width", width) + attribute("height", height) + ">\n<title>" + escaped(title) + "</title>\n" + style +
           "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n" + body_ + "</svg>\n";
  }

 private:
  double left_;
  double right_ = 0;  ///< end of the longest text
  std::string body_;
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
    for (auto const& [x, y] : middle) picture.circle(x, y, line.kind);
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
