#include "report/figure_font.hpp"

#include "report/embedded_files.hpp"
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <bit>

namespace onemask {

// Names and offsets are those of the OpenType specification. The file is our own, so only its form is checked.

FigureFont::FigureFont() : file_(embedded_figure_font()) {
  auto const head = table("head"), hhea = table("hhea"), hmtx = table("hmtx"), cmap = table("cmap");
  auto const units = static_cast<int>(number(head + 18));
  auto const scaled = [&](int value) { return value * 1000 / units; };
  measures_ = {scaled(signed_number(head + 36)), scaled(signed_number(head + 38)), scaled(signed_number(head + 40)),
               scaled(signed_number(head + 42)), scaled(signed_number(hhea + 4)),  scaled(signed_number(hhea + 6))};
  auto const shapes = number(table("maxp") + 4), measured = number(hhea + 34);
  for (unsigned shape = 0; shape < shapes; ++shape)
    widths_.push_back(scaled(static_cast<int>(number(hmtx + 4 * std::min(shape, measured - 1)))));
  for (unsigned entry = 0; entry < number(cmap + 2); ++entry) {
    auto const place = cmap + (number(cmap + 4 + 8 * entry + 4) << 16 | number(cmap + 4 + 8 * entry + 6));
    if (number(place) == 4) characters_ = place;
  }
  invariant(characters_ != 0, "the typeface of figures has no table of characters in format 4");
}

unsigned FigureFont::number(std::size_t place) const {
  invariant(place + 2 <= file_.size(), "the typeface of figures ends before byte ", place);
  return static_cast<unsigned>(static_cast<unsigned char>(file_[place])) << 8 | static_cast<unsigned char>(file_[place + 1]);
}

int FigureFont::signed_number(std::size_t place) const {
  return static_cast<std::int16_t>(number(place));
}

std::size_t FigureFont::table(std::string_view tag) const {
  for (std::size_t entry = 12; entry < 12 + 16 * std::size_t{number(4)}; entry += 16) {
    if (file_.substr(entry, 4) == tag) return std::size_t{number(entry + 8)} << 16 | number(entry + 10);
  }
  invariant(false, "the typeface of figures has no table ", std::string(tag));
  return 0;
}

std::uint16_t FigureFont::glyph(char32_t character) const {
  if (character > 0xFFFF) return 0;
  auto const doubled = number(characters_ + 6);  // twice the number of segments
  auto const ends = characters_ + 14, starts = ends + doubled + 2, deltas = starts + doubled, ranges = deltas + doubled;
  for (unsigned segment = 0; segment < doubled; segment += 2) {
    if (number(ends + segment) < character) continue;
    auto const start = number(starts + segment);
    if (start > character) return 0;
    auto const offset = number(ranges + segment), delta = number(deltas + segment);
    if (offset == 0) return static_cast<std::uint16_t>(character + delta);
    auto const shape = number(ranges + segment + offset + 2 * (character - start));
    return static_cast<std::uint16_t>(shape == 0 ? 0 : shape + delta);
  }
  return 0;
}

std::vector<char32_t> characters_of(std::string const& text) {
  std::vector<char32_t> characters;
  for (std::size_t place = 0; place < text.size();) {
    auto const first = static_cast<unsigned char>(text[place]);
    auto const length = first < 0x80 ? 1 : static_cast<std::size_t>(std::countl_one(first));
    invariant(length <= 4 && place + length <= text.size(), "a text of a figure is not valid UTF-8");
    char32_t character = length == 1 ? first : first & (0x7FU >> length);
    for (std::size_t byte = 1; byte < length; ++byte)
      character = character << 6 | (static_cast<unsigned char>(text[place + byte]) & 0x3F);
    characters.push_back(character);
    place += length;
  }
  return characters;
}

}  // namespace onemask
