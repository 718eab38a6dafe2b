#include "report/fact_insides.hpp"
#include "report/page_parts.hpp"
#include "report/page_studies.hpp"
#include <onemask/report/page.hpp>
#include <onemask/report/table.hpp>

#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::size_t count_of(std::string const& text, std::string const& part) {
  std::size_t count = 0;
  for (auto place = text.find(part); place != std::string::npos; place = text.find(part, place + 1)) ++count;
  return count;
}

/// What a reader sees: no tags, and the characters that stand for others.
std::string read_text(std::string html) {
  html = std::regex_replace(html, std::regex("<[^>]*>"), "\n");
  for (auto const& [code, letter] :
       {std::pair("&lt;", "<"), std::pair("&gt;", ">"), std::pair("&quot;", "\""), std::pair("&amp;", "&")})
    html = std::regex_replace(html, std::regex(code), letter);
  return html;
}

std::string page_section(std::string const& html, std::string const& id) {
  auto const begin = html.find("<section id=\"" + id + "\"");
  return begin == std::string::npos ? "" : html.substr(begin, html.find("</section>", begin) - begin);
}

TEST(Page, ShowsEveryCellOfTheTextTables) {
  auto const study = invented_study();
  auto const html = to_html(study);
  auto const seen = read_text(page_section(html, "splits"));
  std::size_t cells = 0;
  for (auto const& block : make_document(study).blocks) {
    if (!block.heading.starts_with("Split")) continue;
    EXPECT_THAT(seen, HasSubstr(block.heading));
    for (auto const& row : block.table.rows()) {
      for (auto const& cell : row) {
        EXPECT_THAT(seen, HasSubstr("\n" + cell + "\n"));
        ++cells;
      }
    }
  }
  EXPECT_GT(cells, 80U);
  EXPECT_EQ(html, to_html(study));
}

TEST(Page, TextsOfFactsCannotBecomeTags) {
  auto study = invented_study();
  study.attributes["name"] = texts_to_escape[1];
  auto const html = to_html(study);
  EXPECT_EQ(count_of(html, "<script"), 2U);  // the data and the page's own
  EXPECT_EQ(count_of(html, "</script>"), 2U);
  EXPECT_THAT(html, AllOf(Not(HasSubstr("<img")), HasSubstr("\\u003c/script>\\u003cscript>window.harm = 1\\u003c/script>"),
                          HasSubstr("&lt;img src=x onerror=&quot;window.harm = 2&quot;&gt;"), HasSubstr(texts_to_escape[3])));
  EXPECT_THAT(html, Not(HasSubstr("<!-- ")));
  EXPECT_FALSE(std::regex_search(html, std::regex("(src|href)=\"(?!#|data:)")));
}

TEST(Page, WarnsFirstOfWhatIsMissingSmallOrShared) {
  EXPECT_THAT(
      read_text(page_section(to_html(invented_study({.partial = true})), "warnings")),
      AllOf(HasSubstr("PARTIAL: 60 of 100 tasks"), HasSubstr("Split train: 120 of 200 scores of facts under models are missing."),
            HasSubstr("Split train has 20 facts"), HasSubstr("allow_overlap: [subject]")));
  auto const whole = to_html(invented_study({.facts = 200}));
  EXPECT_THAT(read_text(page_section(whole, "warnings")), AllOf(Not(HasSubstr("PARTIAL")), Not(HasSubstr("Split train"))));
  EXPECT_LT(whole.find("id=\"warnings\""), whole.find("id=\"found\""));
}

TEST(Page, HasSectionsOfWhatTheStudyHas) {
  auto const plain = to_html(invented_study()), sizes = to_html(invented_study(study_of_sizes())),
             relations = to_html(invented_study(study_of_relations()));
  EXPECT_THAT(page_section(plain, "curves"), "");
  EXPECT_THAT(page_section(plain, "comparisons"), HasSubstr("edited + delta magnitude"));
  EXPECT_THAT(page_section(sizes, "curves"),
              AllOf(HasSubstr("<figure id=\"curve-heldout\">"), HasSubstr("area under RSR(zeros)")));
  EXPECT_THAT(page_section(relations, "matrices"), AllOf(HasSubstr("<figure id=\"matrix-relation\">"), HasSubstr("Mean over")));
  EXPECT_THAT(page_section(plain, "asked"), AllOf(HasSubstr("40 facts of 3 relations"), HasSubstr("models/invented")));
  EXPECT_THAT(
      page_section(plain, "provenance"),
      AllOf(HasSubstr("mpirun -n 2 onemask sweep invented.yaml --out results/invented\n"), HasSubstr("href=\"data:text/yaml;")));
}

TEST(Page, AStudyWithoutScoresSaysSo) {
  StudyFile study;
  study.attributes = {{"status", "PARTIAL"}, {"tasks_planned", "3"}, {"tasks_done", "0"}};
  auto empty = invented_study({.facts = 0});
  study.tables["conditions"] = empty.tables["conditions"];
  study.tables["summary"] = empty.tables["summary"];
  for (auto& [name, column] : study.tables["summary"].columns) std::visit([](auto& values) { values.clear(); }, column);
  auto const html = to_html(study);
  EXPECT_THAT(page_section(html, "found"), HasSubstr("Nothing is scored yet."));
  EXPECT_THAT(page_section(html, "facts"), "");
}

TEST(Page, IsSmallWithManyFacts) {
  auto const html = to_html(invented_study(study_of_many_facts()));
  EXPECT_LT(html.size(), 15'000'000U);  // leaves room for what happens inside of models
  EXPECT_THAT(page_section(html, "facts"), Not(HasSubstr("This page holds the scores")));
}

TEST(Page, ShowsWhatHappensInsideOfModels) {
  auto const html = to_html(invented_study(study_of_insides()));
  EXPECT_THAT(page_section(html, "patching"),
              AllOf(HasSubstr("<figure id=\"patched-train\">"), HasSubstr("<b>X+attention(Y):</b>")));
  EXPECT_THAT(page_section(html, "splits"), HasSubstr("edited+attention(original)"));
  EXPECT_THAT(page_section(html, "tracing"), AllOf(HasSubstr("<figure id=\"tracing-mlp\">"),
                                                   HasSubstr("Restoring the MLPs of 3 layers around each layer; split"),
                                                   HasSubstr("<summary>All tables</summary>")));
  EXPECT_THAT(
      page_section(html, "inside"),
      AllOf(HasSubstr("id=\"inside-Attention-to-new-less-true-last-token-split-heldout\""),
            HasSubstr("id=\"inside-Log-odds-of-new-over-true-logit-lens-subject-s-last-token-split-heldout\""),
            HasSubstr("id=\"inside-Drift-of-attention-to-the-subject-s-last-token-split-heldout\""),
            HasSubstr("id=\"inside-Distance-to-the-unedited-model-edited-split-heldout\""), HasSubstr("Logit lens: final norm")));
  EXPECT_THAT(page_section(html, "warnings"), HasSubstr("Only 12 facts are traced"));
  auto const found = read_text(page_section(html, "found"));
  EXPECT_THAT(found, AllOf(HasSubstr("Causal tracing of the 12"), HasSubstr("the last token attends more")));
  auto const data = html.substr(html.find("id=\"fact-data\""));
  EXPECT_THAT(data, AllOf(HasSubstr("\"label\":\"edited + mask, mask.seed=0\""),
                          HasSubstr("\"tracing\":{\"first\":0,\"layers\":6"), HasSubstr("\"traces\":{\"first\":-1,\"layers\":7"),
                          HasSubstr("\"maps\":{\"first\":-1,\"layers\":7"), Not(HasSubstr("\"left_out\""))));
}

TEST(Page, ARunInProgressMayHaveNothingOfTheInsidesYet) {
  auto study = invented_study({.partial = true});
  InventedInsides(study, 0).add();
  auto const html = to_html(study);
  EXPECT_THAT(page_section(html, "inside"), "");
  EXPECT_THAT(page_section(html, "tracing"), HasSubstr("No fact is traced yet."));
  EXPECT_THAT(html.substr(html.find("id=\"fact-data\"")), AllOf(Not(HasSubstr("\"traces\"")), Not(HasSubstr("\"maps\":"))));
}

TEST(Page, HoldsAsMuchOfTheInsidesOfManyFactsAsFits) {
  auto study = study_of_many_facts();
  study.inside = 1000;
  nlohmann::ordered_json data;
  add_insides(invented_study(study), study.facts, data);
  EXPECT_LT(data.dump().size(), 4'100'000U);
  EXPECT_EQ(data["tracing"]["kinds"].size(), 3U);
  auto const kept = data["traces"]["series"].size();
  EXPECT_GT(kept, 6U);
  EXPECT_EQ(kept + data["left_out"].value("traces", 0U), 12U);
  EXPECT_EQ(data["traces"]["series"][5]["place"], "last");  // of all models, before other places
  EXPECT_GT(data["left_out"]["maps"], 0);
}

TEST(PageParts, RowsAreLabelledHeadedAndContinued) {
  TextTable table;
  table.add({"model", "value"});
  table.add({"a label that stands on its own"});
  table.add({"", "1"});
  table.add({"", "[0, 2]"});
  table.add({"  one of it", "3"});
  table.add({"a heading"});
  table.add({"  below <it>", "-"});
  auto const html = html_table(table, "t");
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">a label that stands on its own</th><td>1<br><small>[0, 2]</small></td>"));
  EXPECT_THAT(html, HasSubstr("<tr class=\"child\"><th scope=\"row\">one of it</th><td>3</td>"));
  EXPECT_THAT(html,
              HasSubstr("<tr class=\"heading\"><th scope=\"rowgroup\" colspan=\"2\">a heading</th></tr>\n<tr><th scope=\"row\">"
                        "below &lt;it&gt;</th><td>-</td>"));
  EXPECT_EQ(count_of(html, "<tbody>"), 2U);
}

TEST(PageParts, EachTermBeginsAParagraph) {
  EXPECT_EQ(html_definitions("zeros: share of it, where RSR\nis: not one; so.\nKL: nats.\n"),
            "<p><b>zeros:</b> share of it, where RSR is: not one; so.</p>\n<p><b>KL:</b> nats.</p>\n");
  EXPECT_EQ(html_definitions("RSR: a share; mean\nover facts.\n"), "<p><b>RSR:</b> a share; mean over facts.</p>\n");
}

TEST(PageParts, DownloadsHoldEveryByte) {
  EXPECT_EQ(html_download("CSV", "a.csv", "text/csv", "a,\"b\"\nü#%\n"),
            "<a download=\"a.csv\" href=\"data:text/csv;charset=utf-8,a,%22b%22%0A%C3%BC%23%25%0A\">CSV</a>");
}

}  // namespace
}  // namespace onemask::test
