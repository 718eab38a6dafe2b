#include "report/svg_page.hpp"

#include "report/cells.hpp"
#include <onemask/core/text.hpp>
#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <string_view>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

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

}  // namespace

void SvgPage::text(double x, double y, std::string const& what, std::string const& attributes) {
  right_ = std::max(right_, x + letter_width * static_cast<double>(characters(what)) + margin);
  body_ += "<text" + attribute("x", x) + attribute("y", y) + attributes + ">" + escaped(what) + "</text>\n";
}

void SvgPage::line(double x1, double y1, double x2, double y2, char const* kind) {
  body_ += std::string("<line class=\"") + kind + "\"" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) +
           attribute("y2", y2) + "/>\n";
}

void SvgPage::rect(double x, double y, double width, double height, std::string const& kind, std::string const& attributes) {
  body_ += "<rect class=\"" + kind + "\"" + attribute("x", x) + attribute("y", y) + attribute("width", width) +
           attribute("height", height) + attributes + "/>\n";
}

void SvgPage::path(std::vector<std::pair<double, double>> const& places, std::string const& kind, std::string const& attributes,
                   bool area) {
  auto const points = join(places, " ", [](auto const& place) { return number(place.first, 2) + "," + number(place.second, 2); });
  body_ +=
      std::string(area ? "<polygon" : "<polyline") + " class=\"" + kind + "\" points=\"" + points + "\"" + attributes + "/>\n";
}

void SvgPage::circle(double x, double y, double radius, std::string const& kind) {
  body_ += "<circle class=\"" + kind + "\"" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius) + "/>\n";
}

std::string SvgPage::whole(double width, double height, std::string const& title) const {
  width = std::max(width, right_);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 " + number(width, 2) + " " + number(height, 2) +
         "\"" + attribute("width", width) + attribute("height", height) + ">\n<title>" + escaped(title) + "</title>\n" + style +
         "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n" + body_ + "</svg>\n";
}

}  // namespace onemask
