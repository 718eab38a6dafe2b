#include "report/drawing.hpp"
#include "report/figure_font.hpp"
#include "report/markup.hpp"
#include <onemask/core/invariant.hpp>
#include <onemask/core/text.hpp>

#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <zlib.h>

#include <fmt/core.h>

namespace onemask {
namespace {

FigureFont const& figure_font() {
  static FigureFont const font;
  return font;
}

std::string deflated(std::string_view bytes) {
  auto size = compressBound(bytes.size());
  std::string result(size, '\0');
  auto const status = compress2(reinterpret_cast<Bytef*>(result.data()), &size, reinterpret_cast<Bytef const*>(bytes.data()),
                                bytes.size(), Z_BEST_COMPRESSION);
  invariant(status == Z_OK, "zlib cannot compress a part of a PDF");
  result.resize(size);
  return result;
}

/// "0 0.447 0.698" of "#0072b2".
std::string pdf_colour(std::string const& colour) {
  auto const part = [&](std::size_t place) { return static_cast<double>(std::stoi(colour.substr(place, 2), nullptr, 16)) / 255; };
  return fmt::format("{:.3g} {:.3g} {:.3g}", part(1), part(3), part(5));
}

/// Writes the operators of a page's content. Its axis y grows downwards, as that of drawings.
class ContentWriter {
 public:
  void operator()(DrawnText const& t) {
    auto const size = t.look.weight == TextWeight::title ? Drawing::title_size : Drawing::text_size;
    std::string shapes;
    double width = 0;
    for (auto const character : characters_of(valid_text(t.text))) {
      auto const glyph = figure_font().glyph(character);
      shapes += fmt::format("{:04X}", glyph);
      width += size * figure_font().widths()[glyph] / 1000;
      characters_.emplace(glyph, character);
    }
    auto const back = t.look.anchor == TextAnchor::begin ? 0 : t.look.anchor == TextAnchor::middle ? width / 2 : width;
    auto const x = t.look.upright ? t.x : t.x - back, y = t.look.upright ? t.y + back : t.y;
    auto const colour = pdf_colour(t.look.on_colour ? "#ffffff" : ink_colour);
    // There is one typeface: strokes around its shapes make it bold.
    auto const bold = t.look.weight == TextWeight::plain ? std::string("0 Tr") : fmt::format("2 Tr {:.2f} w", size / 32);
    add("{} rg {} RG BT /F {} Tf {} {} {:.2f} {:.2f} Tm <{}> Tj ET", colour, colour, size, bold,
        t.look.upright ? "0 -1 -1 0" : "1 0 0 -1", x, y, shapes);
  }
  void operator()(DrawnLine const& l) {
    add("{} RG {} w {:.2f} {:.2f} m {:.2f} {:.2f} l S", pdf_colour(l.is_grid ? grid_colour : ink_colour),
        l.is_grid ? 1 : whisker_width, l.x1, l.y1, l.x2, l.y2);
  }
  void operator()(DrawnRectangle const& r) {
    auto const place = fmt::format("{:.2f} {:.2f} {:.2f} {:.2f} re", r.x, r.y, r.width, r.height);
    if (r.kind.empty()) {
      add("{} RG {} w {} S", pdf_colour(frame_colour), frame_width, place);
    } else {
      add("q {} {} rg {} f Q", opacity(r.opacity), fill(r.kind), place);
    }
  }
  void operator()(DrawnPath const& p) {
    std::string path;
    for (auto const& [x, y] : p.places) path += fmt::format("{:.2f} {:.2f} {} ", x, y, path.empty() ? "m" : "l");
    if (p.is_band) {
      add("q {} {} rg {}h f Q", opacity(band_opacity), fill(p.kind), path);
    } else {
      auto const dash = join(p.dash, " ", [](double length) { return fmt::format("{:g}", length); });
      add("q [{}] 0 d {} RG {} w {}S Q", dash, fill(p.kind), curve_width, path);
    }
  }
  void operator()(DrawnCircle const& c) {
    auto const k = 0.5523 * c.radius;  // four Bézier curves
    auto const [x, y, r] = std::tuple(c.x, c.y, c.radius);
    auto const arc = [](double x1, double y1, double x2, double y2, double x3, double y3) {
      return fmt::format("{:.2f} {:.2f} {:.2f} {:.2f} {:.2f} {:.2f} c ", x1, y1, x2, y2, x3, y3);
    };
    add("{} rg {:.2f} {:.2f} m {}{}{}{}f", fill(c.kind), x + r, y, arc(x + r, y + k, x + k, y + r, x, y + r),
        arc(x - k, y + r, x - r, y + k, x - r, y), arc(x - r, y - k, x - k, y - r, x, y - r),
        arc(x + k, y - r, x + r, y - k, x + r, y));
  }

  std::string const& content() const { return content_; }
  std::map<std::uint16_t, char32_t> const& characters() const { return characters_; }

  /// The states that the content names.
  std::string states() const {
    std::string list;
    for (auto const percentage : opacities_) list += fmt::format("/O{} << /ca {:.2f} >> ", percentage, percentage / 100.0);
    return list;
  }

 private:
  template <class... Values>
  void add(fmt::format_string<Values...> text, Values&&... values) {
    content_ += fmt::format(text, std::forward<Values>(values)...) + "\n";
  }
  static std::string fill(std::string const& kind) {
    auto const colour = colour_of(kind);
    return pdf_colour(colour.empty() ? ink_colour : colour);
  }
  std::string opacity(double share) {
    auto const percentage = static_cast<int>(100 * share + 0.5);
    if (percentage >= 100) return "";
    opacities_.insert(percentage);
    return fmt::format("/O{} gs", percentage);
  }

  std::string content_;
  std::set<int> opacities_;
  std::map<std::uint16_t, char32_t> characters_;  ///< that are used, by their shapes
};

/// Which characters the shapes stand for, so that texts can be searched and copied.
std::string unicode_map(std::map<std::uint16_t, char32_t> const& characters) {
  std::string map =
      "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def /CMapName /Figure def\n"
      "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
      "1 begincodespacerange <0000> <FFFF> endcodespacerange\n";
  for (auto const& [glyph, character] : characters) {
    if (glyph != 0) map += fmt::format("1 beginbfchar <{:04X}> <{:04X}> endbfchar\n", glyph, static_cast<unsigned>(character));
  }
  return map + "endcmap CMapName currentdict /CMap defineresource pop end end\n";
}

/// Text in a document's properties: UTF-16 with its mark, in hexadecimal digits.
std::string pdf_text(std::string const& text) {
  std::string digits = "<FEFF";
  for (auto const character : characters_of(valid_text(text))) {
    auto const code = static_cast<unsigned>(character);
    digits += code < 0x10000
                  ? fmt::format("{:04X}", code)
                  : fmt::format("{:04X}{:04X}", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF));
  }
  return digits + ">";
}

/// The objects of a file, numbered from 1.
class PdfFile {
 public:
  void add(std::string const& object) {
    places_.push_back(text_.size());
    text_ += fmt::format("{} 0 obj\n{}\nendobj\n", places_.size(), object);
  }
  void add_stream(std::string const& entries, std::string_view bytes) {
    auto const content = deflated(bytes);
    add(fmt::format("<< {}/Length {} /Filter /FlateDecode >>\nstream\n", entries, content.size()) + content + "\nendstream");
  }
  std::string whole(std::string const& trailer) const {
    auto text = text_ + fmt::format("xref\n0 {}\n0000000000 65535 f \n", places_.size() + 1);
    for (auto const place : places_) text += fmt::format("{:010} 00000 n \n", place);
    return text + fmt::format("trailer\n<< /Size {} {} >>\nstartxref\n{}\n%%EOF\n", places_.size() + 1, trailer, text_.size());
  }

 private:
  std::string text_ = "%PDF-1.5\n%\xE2\xE3\xCF\xD3\n";
  std::vector<std::size_t> places_;
};

}  // namespace

std::string pdf_of(Drawing const& drawing, std::string const& title) {
  ContentWriter content;
  for (auto const& shape : drawing.shapes()) std::visit(content, shape);
  auto const scale = paper_scale(drawing), width = scale * drawing.width(), height = scale * drawing.height();
  auto const& font = figure_font();
  auto const& of = font.measures();
  constexpr char const* name = "ONEMSK+DejaVuSansCondensed";
  PdfFile file;
  file.add("<< /Type /Catalog /Pages 2 0 R >>");
  file.add("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
  file.add(
      fmt::format("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {:.2f} {:.2f}] /Contents 4 0 R /Resources << /Font << /F 5 0 R "
                  ">> /ExtGState << {}>> >> >>",
                  width, height, content.states()));
  file.add_stream("", fmt::format("{:.5f} 0 0 {:.5f} 0 {:.2f} cm\n", scale, -scale, height) + content.content());
  file.add(fmt::format(
      "<< /Type /Font /Subtype /Type0 /BaseFont /{} /Encoding /Identity-H /DescendantFonts [6 0 R] /ToUnicode 9 0 R >>", name));
  file.add(
      fmt::format("<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{} /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) "
                  "/Supplement 0 >> /FontDescriptor 7 0 R /CIDToGIDMap /Identity /W [0 [{}]] >>",
                  name, join(font.widths(), " ")));
  file.add(
      fmt::format("<< /Type /FontDescriptor /FontName /{} /Flags 4 /FontBBox [{} {} {} {}] /ItalicAngle 0 /Ascent {} /Descent {} "
                  "/CapHeight {} /StemV 80 /FontFile2 8 0 R >>",
                  name, of.left, of.bottom, of.right, of.top, of.ascent, of.descent, of.ascent));
  file.add_stream(fmt::format("/Length1 {} ", font.file().size()), font.file());
  file.add_stream("", unicode_map(content.characters()));
  file.add(fmt::format("<< /Title {} /Creator (onemask) >>", pdf_text(title)));
  return file.whole("/Root 1 0 R /Info 10 0 R");
}

}  // namespace onemask
