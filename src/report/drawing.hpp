#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace onemask {

enum class TextAnchor { begin, middle, end };
enum class TextWeight { plain, bold, title };

struct TextLook {
  TextAnchor anchor = TextAnchor::begin;
  TextWeight weight = TextWeight::plain;
  bool upright = false;    ///< read from below, turned around its place
  bool on_colour = false;  ///< white
};

// What a drawing consists of, in pixels; y grows downwards. A `kind` is one of models, which has a colour.
struct DrawnText {
  double x, y;
  std::string text;
  TextLook look;
};
struct DrawnLine {
  double x1, y1, x2, y2;
  bool is_grid;  ///< else a whisker
};
struct DrawnRectangle {
  double x, y, width, height;
  std::string kind;  ///< "": a frame, not filled
  double opacity;
};
struct DrawnPath {
  std::vector<std::pair<double, double>> places;
  std::string kind;
  bool is_band;              ///< what the places enclose, else a line through them
  std::vector<double> dash;  ///< lengths of strokes and gaps; none: a whole line
};
struct DrawnCircle {
  double x, y, radius;
  std::string kind;
};
using DrawnShape = std::variant<DrawnText, DrawnLine, DrawnRectangle, DrawnPath, DrawnCircle>;

/// A picture as shapes, one upon the other, which is then written as SVG or PDF.
class Drawing {
 public:
  static constexpr double margin = 20, letter_width = 7.2, text_size = 13, title_size = 17;

  void text(double x, double y, std::string const& what, TextLook look = {});
  void line(double x1, double y1, double x2, double y2, bool is_grid);
  void rectangle(double x, double y, double width, double height, std::string const& kind, double opacity = 1);
  void frame(double x, double y, double width, double height);
  void path(std::vector<std::pair<double, double>> places, std::string const& kind, std::vector<double> dash = {});
  void band(std::vector<std::pair<double, double>> places, std::string const& kind);
  void circle(double x, double y, double radius, std::string const& kind);
  /// At least so large.
  void set_size(double width, double height);

  double width() const { return width_; }
  double height() const { return height_; }
  std::vector<DrawnShape> const& shapes() const { return shapes_; }

 private:
  double width_ = 0, height_ = 0;
  std::vector<DrawnShape> shapes_;
};

/// Of kinds of models, after Okabe and Ito (2008), which colour-blind readers can tell apart: "#0072b2"; "" of an unknown one.
std::string colour_of(std::string const& kind);
/// Of what is no kind of model.
inline constexpr char const *ink_colour = "#1a1a1a", *grid_colour = "#d0d0d0", *frame_colour = "#d55e00";
inline constexpr double whisker_width = 1.5, curve_width = 2, frame_width = 2, band_opacity = 0.15;

/// The rules of style for SVG drawings of the class "figure"; they follow the reader's light or dark mode.
std::string drawing_style();

enum class SvgForm {
  page,   ///< on its own, with rules of style and a background
  part,   ///< of a page that has the rules of style
  paper,  ///< dark on white, with the typeface of the PDF and in its size
};

/// Equal drawings give equal bytes. Title and description are for screen readers.
std::string svg_of(Drawing const& drawing, std::string const& title, std::string const& description = "",
                   SvgForm form = SvgForm::page);

/// A PDF of one page, with its typeface in it. Texts have 8 pt, or less where the page would be wider than 7 inches.
std::string pdf_of(Drawing const& drawing, std::string const& title);

/// Points of a paper for each pixel of the drawing.
double paper_scale(Drawing const& drawing);

}  // namespace onemask
