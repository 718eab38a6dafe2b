#include "report/cells.hpp"
#include "report/drawing.hpp"
#include "report/markup.hpp"
#include <onemask/core/text.hpp>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string attribute(char const* name, double value) {
  return std::string(" ") + name + "=\"" + number(value, 2) + "\"";
}

std::string attribute(char const* name, std::string const& value) {
  return std::string(" ") + name + "=\"" + value + "\"";
}

/// Writes the elements of an SVG.
struct SvgWriter {
  std::string operator()(DrawnText const& t) const {
    std::string attributes;
    std::string const look = t.look.on_colour                     ? "inverse"
                             : t.look.weight == TextWeight::bold  ? "block"
                             : t.look.weight == TextWeight::title ? "title"
                                                                  : "";
    if (!look.empty()) attributes += attribute("class", look);
    if (t.look.anchor != TextAnchor::begin)
      attributes += t.look.anchor == TextAnchor::middle ? " text-anchor=\"middle\"" : " text-anchor=\"end\"";
    if (t.look.upright) attributes += fmt::format(" transform=\"rotate(-90 {:.2f} {:.2f})\"", t.x, t.y);
    return "<text" + attribute("x", t.x) + attribute("y", t.y) + attributes + ">" + escaped_markup(t.text) + "</text>\n";
  }
  std::string operator()(DrawnLine const& l) const {
    return std::string("<line class=\"") + (l.is_grid ? "grid" : "whisker") + "\"" + attribute("x1", l.x1) +
           attribute("y1", l.y1) + attribute("x2", l.x2) + attribute("y2", l.y2) + "/>\n";
  }
  std::string operator()(DrawnRectangle const& r) const {
    return "<rect" + attribute("class", r.kind.empty() ? "frame" : r.kind) + attribute("x", r.x) + attribute("y", r.y) +
           attribute("width", r.width) + attribute("height", r.height) +
           (r.opacity < 1 ? attribute("fill-opacity", r.opacity) : "") + "/>\n";
  }
  std::string operator()(DrawnPath const& p) const {
    auto const points =
        join(p.places, " ", [](auto const& place) { return number(place.first, 2) + "," + number(place.second, 2); });
    auto const dash = join(p.dash, " ", [](double length) { return fmt::format("{:g}", length); });
    return std::string(p.is_band ? "<polygon" : "<polyline") + attribute("class", p.kind + (p.is_band ? " band" : " curve")) +
           attribute("points", points) + (dash.empty() ? "" : attribute("stroke-dasharray", dash)) + "/>\n";
  }
  std::string operator()(DrawnCircle const& c) const {
    return "<circle" + attribute("class", c.kind) + attribute("cx", c.x) + attribute("cy", c.y) + attribute("r", c.radius) +
           "/>\n";
  }
};

/// The rules of style without those for the dark.
std::string paper_style() {
  auto const style = drawing_style();
  return style.substr(0, style.find("@media")) + ".figure text { font-family: 'DejaVu Sans Condensed', Arial, sans-serif; }\n";
}

}  // namespace

std::string svg_of(Drawing const& drawing, std::string const& title, std::string const& description, SvgForm form) {
  auto const width = drawing.width(), height = drawing.height();
  auto const scale = paper_scale(drawing);
  auto const size = form == SvgForm::paper ? fmt::format(" width=\"{:.2f}pt\" height=\"{:.2f}pt\"", scale * width, scale * height)
                                           : attribute("width", width) + attribute("height", height);
  std::string text = "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" class=\"figure\" viewBox=\"0 0 " + number(width, 2) +
                     " " + number(height, 2) + "\"" + size + ">\n<title>" + escaped_markup(title) + "</title>\n";
  if (!description.empty()) text += "<desc>" + escaped_markup(description) + "</desc>\n";
  if (form != SvgForm::part) {
    text += "<style>\n" + (form == SvgForm::page ? drawing_style() : paper_style()) +
            "</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n";
  }
  for (auto const& shape : drawing.shapes()) text += std::visit(SvgWriter{}, shape);
  return text + "</svg>\n";
}

}  // namespace onemask
