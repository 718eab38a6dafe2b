#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace onemask {

/// The typeface of figures on paper, a TrueType file that is compiled in: Latin, Greek, Cyrillic and some signs.
class FigureFont {
 public:
  FigureFont();

  std::string_view file() const { return file_; }
  /// The number of a character's shape; 0, an empty box, where there is none.
  std::uint16_t glyph(char32_t character) const;
  /// Widths of all shapes, in thousandths of the size of the type.
  std::vector<int> const& widths() const { return widths_; }
  /// The font's box and reach above and below the line, in the same unit.
  struct Measures {
    int left, bottom, right, top, ascent, descent;
  };
  Measures const& measures() const { return measures_; }

 private:
  unsigned number(std::size_t place) const;
  int signed_number(std::size_t place) const;
  std::size_t table(std::string_view tag) const;

  std::string_view file_;
  std::size_t characters_ = 0;  ///< place of the table from characters to shapes, of format 4
  std::vector<int> widths_;
  Measures measures_{};
};

/// The characters of a valid UTF-8 text.
std::vector<char32_t> characters_of(std::string const& text);

}  // namespace onemask
