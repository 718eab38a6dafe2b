#include "report/drawing.hpp"

#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

struct KindColour {
  char const* kind;
  char const* light;
  char const* dark;  ///< null: the same
};
constexpr std::array<KindColour, 12> colours{{{"original", "#8a8a8a", "#999999"},
                                              {"edited", "#d55e00", nullptr},
                                              {"mask", "#0072b2", "#3d9be0"},
                                              {"random", "#cc79a7", nullptr},
                                              {"magnitude", "#e69f00", nullptr},
                                              {"delta_magnitude", "#009e73", nullptr},
                                              {"original_masked", "#56b4e9", nullptr},
                                              {"dropped", "#000000", "#f0e442"},
                                              {"pruned", "#b3742d", nullptr},
                                              {"bottom_rank", "#7a4fa3", "#a684c9"},
                                              {"shrunk", "#6b8e23", nullptr},
                                              {"patched", "#882255", "#c0639c"}}};

}  // namespace

std::string colour_of(std::string const& kind) {
  auto const found = std::find_if(colours.begin(), colours.end(), [&](auto const& colour) { return colour.kind == kind; });
  return found == colours.end() ? "" : found->light;
}

std::string drawing_style() {
  auto style = fmt::format(
      ".figure text {{ fill: {}; font-family: system-ui, sans-serif; font-size: {}px; }}\n"
      ".figure rect, .figure circle, .figure .band {{ fill: currentColor; }}\n"
      ".figure .page {{ fill: #ffffff; }}\n"
      ".figure .title {{ font-size: {}px; font-weight: bold; }}\n"
      ".figure .block {{ font-weight: bold; }}\n"
      ".figure .inverse {{ fill: #ffffff; }}\n"
      ".figure .grid {{ stroke: {}; }}\n"
      ".figure .whisker {{ stroke: {}; stroke-width: {}; }}\n"
      ".figure .curve {{ fill: none; stroke: currentColor; stroke-width: {}; }}\n"
      ".figure .frame {{ fill: none; stroke: {}; stroke-width: {}; }}\n"
      ".figure .band {{ opacity: {}; }}\n",
      ink_colour, Drawing::text_size, Drawing::title_size, grid_colour, ink_colour, whisker_width, curve_width, frame_colour,
      frame_width, band_opacity);
  std::string dark =
      ".figure .page { fill: #161616; }\n"
      ".figure text { fill: #f0f0f0; }\n"
      ".figure .grid { stroke: #4a4a4a; }\n"
      ".figure .whisker { stroke: #f0f0f0; }\n";
  for (auto const& [kind, light, in_the_dark] : colours) {
    style += std::string(".figure .") + kind + " { color: " + light + "; }\n";
    if (in_the_dark != nullptr) dark += std::string(".figure .") + kind + " { color: " + in_the_dark + "; }\n";
  }
  return style + "@media screen and (prefers-color-scheme: dark) {\n" + dark + "}\n";
}

void Drawing::text(double x, double y, std::string const& what, TextLook look) {
  if (look.anchor == TextAnchor::begin && !look.upright)
    width_ = std::max(width_, x + letter_width * static_cast<double>(characters(what)) + margin);
  shapes_.emplace_back(DrawnText{x, y, what, look});
}

void Drawing::line(double x1, double y1, double x2, double y2, bool is_grid) {
  shapes_.emplace_back(DrawnLine{x1, y1, x2, y2, is_grid});
}

void Drawing::rectangle(double x, double y, double width, double height, std::string const& kind, double opacity) {
  shapes_.emplace_back(DrawnRectangle{x, y, width, height, kind, opacity});
}

void Drawing::frame(double x, double y, double width, double height) {
  rectangle(x, y, width, height, "");
}

void Drawing::path(std::vector<std::pair<double, double>> places, std::string const& kind, std::vector<double> dash) {
  shapes_.emplace_back(DrawnPath{std::move(places), kind, false, std::move(dash)});
}

void Drawing::band(std::vector<std::pair<double, double>> places, std::string const& kind) {
  shapes_.emplace_back(DrawnPath{std::move(places), kind, true, {}});
}

void Drawing::circle(double x, double y, double radius, std::string const& kind) {
  shapes_.emplace_back(DrawnCircle{x, y, radius, kind});
}

void Drawing::set_size(double width, double height) {
  width_ = std::max(width_, width);
  height_ = std::max(height_, height);
}

double paper_scale(Drawing const& drawing) {
  constexpr double points = 8, widest = 7 * 72;
  return std::min(points / Drawing::text_size, widest / drawing.width());
}

}  // namespace onemask
