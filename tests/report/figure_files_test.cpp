#include "report/figure.hpp"
#include "report/figure_font.hpp"
#include "report/is_xml.hpp"
#include "report/page_studies.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/file.hpp>
#include <onemask/report/page.hpp>

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Whether the table of a PDF leads to its objects.
bool leads_to_objects(std::string const& pdf) {
  auto const start = std::stoul(pdf.substr(pdf.rfind("startxref\n") + 10));
  if (pdf.compare(start, 5, "xref\n") != 0) return false;
  auto line = pdf.find('\n', start + 5) + 1;
  auto const count = std::stoul(pdf.substr(start + 7));
  for (std::size_t object = 0; object < count; ++object, line += 20) {
    auto const place = std::stoul(pdf.substr(line, 10));
    auto const head = std::to_string(object) + " 0 obj\n";
    if (object > 0 && pdf.compare(place, head.size(), head) != 0) return false;
  }
  return pdf.compare(line, 7, "trailer") == 0;
}

TEST(FigureFiles, EveryFigureIsSvgPdfAndCsv) {
  TemporaryFolder const folder;
  auto const study = invented_study(study_of_relations());
  auto const names = write_figures(study, folder.path() / "figures");
  EXPECT_THAT(names, testing::ElementsAre("rsr-train", "damage-train", "rsr-heldout", "damage-heldout", "matrix-split",
                                          "matrix-relation"));
  for (auto const& name : names) {
    auto const file = [&](char const* ending) { return read_file(folder.path() / "figures" / (name + ending)); };
    EXPECT_TRUE(is_xml(file(".svg"))) << name;
    EXPECT_THAT(file(".svg"),
                AllOf(Not(HasSubstr("class=\"title\"")), Not(HasSubstr("prefers-color-scheme")), HasSubstr("pt\" height=\"")));
    EXPECT_THAT(file(".pdf"), testing::StartsWith("%PDF-1.5\n"));
    EXPECT_TRUE(leads_to_objects(file(".pdf"))) << name;
    EXPECT_THAT(file(".csv"), testing::StartsWith("status,"));
    EXPECT_THAT(read_file(folder.path() / "figures/captions.md"), HasSubstr("- `" + name + "`: "));
  }
  auto const pdf = read_file(folder.path() / "figures/rsr-train.pdf");
  write_figures(study, folder.path() / "again");
  EXPECT_EQ(read_file(folder.path() / "again/rsr-train.pdf"), pdf);
}

TEST(FigureFiles, DataHaveARowForEveryBarPointAndCell) {
  for (auto const& figure : figures_of(invented_study(study_of_relations()), {})) {
    std::set<std::string> kinds;
    std::size_t marks = 0;
    for (auto const& shape : figure.drawing.shapes()) {
      if (auto const* rectangle = std::get_if<DrawnRectangle>(&shape)) marks += rectangle->kind.empty() ? 0 : 1;
      if (auto const* circle = std::get_if<DrawnCircle>(&shape))
        marks += circle->kind.empty() ? 0 : 1, kinds.insert(circle->kind);
    }
    // Lines of single points have another one in the legend.
    EXPECT_EQ(marks, figure.data.rows() + (figure.name.starts_with("damage") ? kinds.size() : 0)) << figure.name;
    for (auto const& kind : kinds) EXPECT_NE(colour_of(kind), "") << kind;
  }
}

TEST(FigureFiles, WhatIsFoundInsideOfModelsHasFigures) {
  auto const study = invented_study(study_of_insides());
  auto const analysis = analysis_if_any(study);
  std::set<std::string> names;
  for (auto const& figure : figures_of(study, analysis)) {
    names.insert(figure.name);
    EXPECT_GT(figure.data.rows(), 0U) << figure.name;
    EXPECT_EQ(figure.data.columns.front().first, "status");
    EXPECT_NE(figure.data.columns[1].first, "status");
    EXPECT_TRUE(is_xml(svg_of(figure.drawing, figure.title, figure.caption, SvgForm::paper))) << figure.name;
  }
  for (auto const* name :
       {"patched-train", "patched-heldout", "tracing-state", "tracing-mlp", "tracing-attention",
        "inside-MLP-to-new-less-true-last-token-split-heldout", "inside-Attention-of-the-last-token-edited-mask-split-heldout"})
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST(FigureFiles, EveryKindOfModelHasAColour) {
  for (auto const& [kind, name] : condition_kind_names) EXPECT_NE(colour_of(name), "") << name;
}

TEST(FigureFiles, AFigureIsNoWiderThanAPage) {
  for (auto const& figure : figures_of(invented_study(study_of_insides()), analysis_if_any(invented_study(study_of_insides())))) {
    auto const scale = paper_scale(figure.drawing);
    EXPECT_LE(scale * figure.drawing.width(), 504.01);
    EXPECT_LE(scale * Drawing::text_size, 8.01);
    EXPECT_GE(scale * Drawing::text_size, 5);
  }
}

TEST(FigureFont, HasWidthsOfItsCharacters) {
  FigureFont const font;
  auto const width = [&](char32_t character) { return font.widths().at(font.glyph(character)); };
  EXPECT_EQ(width(U'i'), width(U'l'));
  EXPECT_NEAR(width(U'0'), 572, 2);  // nine tenths of DejaVu Sans's 636
  for (auto const character : std::u32string(U"ä\u03B1\u0416\u2016\u2264")) EXPECT_NE(font.glyph(character), 0);
  EXPECT_EQ(font.glyph(U'\u4E2D'), 0);
  EXPECT_EQ(font.glyph(U'\U0001F600'), 0);
  EXPECT_THAT(characters_of("a\xC3\xA4\xE2\x80\x96"), testing::ElementsAre(U'a', U'\u00E4', U'\u2016'));
}

}  // namespace
}  // namespace onemask::test
