#pragma once

#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// An SVG picture while it is drawn, in pixels. It follows the reader's light or dark mode; its classes have the colours.
class SvgPage {
 public:
  static constexpr double margin = 20, letter_width = 7.2;

  /// `attributes` are further ones, each after a space.
  void text(double x, double y, std::string const& what, std::string const& attributes = "");
  void line(double x1, double y1, double x2, double y2, char const* kind);
  void rect(double x, double y, double width, double height, std::string const& kind, std::string const& attributes = "");

  /// A line through places, or with `area` what they enclose.
  void path(std::vector<std::pair<double, double>> const& places, std::string const& kind, std::string const& attributes = "",
            bool area = false);
  void circle(double x, double y, double radius, std::string const& kind);

  /// At least so wide.
  std::string whole(double width, double height, std::string const& title) const;

 private:
  double right_ = 0;  ///< end of the longest text
  std::string body_;
};

}  // namespace onemask
