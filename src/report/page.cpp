#include "report/comparison_overview.hpp"
#include "report/embedded_files.hpp"
#include "report/markup.hpp"
#include "report/page_context.hpp"
#include "report/page_parts.hpp"
#include "report/patching.hpp"
#include "report/plot_blocks.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/yaml_document.hpp>
#include <onemask/report/overlap.hpp>
#include <onemask/report/page.hpp>
#include <onemask/report/tracing.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace onemask {
namespace {

std::string figures_at(PageContext const& context, FigurePlace place) {
  std::string html;
  for (auto const& figure : context.figures) {
    if (figure.place == place) html += html_figure(figure);
  }
  return html;
}

std::string found_section(PageContext const& context) {
  std::string html;
  for (auto const* findings : {&context.parts.findings, &context.analysis.findings}) {
    for (auto const& finding : *findings) html += html_paragraph(finding);
  }
  return html.empty() ? html_paragraph("Nothing is scored yet.") : html;
}

/// Tables of each split, each with its figures behind its heading.
std::string splits_section(PageContext const& context) {
  std::string html;
  auto const& blocks = context.parts.splits;
  for (auto first = blocks.begin(); first != blocks.end();) {
    auto const last = std::find_if(first + 1, blocks.end(), [](auto const& block) { return !block.heading.empty(); });
    html += html_blocks({first, last});
    for (auto const& figure : context.figures) {
      // Behind the heading of figures may stand what is known of the facts.
      bool const here = first->heading == figure.heading || first->heading.starts_with(figure.heading + ";");
      if (figure.place == FigurePlace::splits && here) html += html_figure(figure);
    }
    first = last;
  }
  return html;
}

std::string curves_section(PageContext const& context) {
  auto const curves = curves_if_any(context.study);
  if (curves.empty()) return "";
  return figures_at(context, FigurePlace::curves) + html_blocks(curve_document(context.study, curves).blocks);
}

std::string matrices_section(PageContext const& context) {
  std::string html;
  for (auto const& report : matrices_of(context.study)) html += html_blocks(matrix_document(report).blocks);
  return html.empty() ? "" : figures_at(context, FigurePlace::matrices) + html;
}

std::string injection_section(PageContext const& context) {
  return figures_at(context, FigurePlace::injection) + html_blocks(context.parts.injection);
}

std::string patching_section(PageContext const& context) {
  auto const html = figures_at(context, FigurePlace::patching);
  return html.empty() ? "" : html_definitions(patching_definition) + html;
}

/// Figures, then the tables of a report that stands alone, without the sentences that are among what was found, and its
/// definitions.
std::string laboratory_section(PageContext const& context, FigurePlace place, Document document) {
  auto const definitions = document.blocks.back().sentences;
  std::erase_if(document.blocks, [](auto const& block) { return block.table.rows().empty(); });
  return html_definitions(definitions) + figures_at(context, place) + html_details("All tables", html_blocks(document.blocks));
}

std::string tracing_section(PageContext const& context) {
  if (!context.study.tables.contains("tracing")) return "";
  if (tracing_findings(context.study).empty()) return html_paragraph("No fact is traced yet.");
  return laboratory_section(context, FigurePlace::tracing, tracing_document(context.study));
}

std::string analysis_section(PageContext const& context) {
  if (context.analysis.tables.empty()) return "";
  return laboratory_section(context, FigurePlace::analysis, analysis_document(context.study, context.analysis));
}

std::string comparisons_section(PageContext const& context) {
  return html_blocks(comparison_overview(context.study));
}

std::string perplexity_section(PageContext const& context) {
  return html_blocks(context.parts.perplexity);
}

std::string overlap_section(PageContext const& context) {
  if (masks_of(context.study).size() < 2) return "";
  return html_blocks(overlap_document(context.study, {}, false).blocks);
}

std::string published_section(PageContext const& context) {
  return html_blocks(context.parts.published);
}

std::string definitions_section(PageContext const& context) {
  return html_definitions(context.parts.definitions);
}

struct PageSection {
  char const* id;
  char const* heading;
  std::string (*content)(PageContext const& context);
};

/// All sections of a page, in their order. One without content is left out.
constexpr std::array sections{PageSection{"warnings", "Warnings", warnings_section},
                              PageSection{"asked", "What was asked", asked_section},
                              PageSection{"found", "What was found", found_section},
                              PageSection{"splits", "Reversal of edits", splits_section},
                              PageSection{"curves", "Curves over the size of masks", curves_section},
                              PageSection{"matrices", "Masks by what they are scored on", matrices_section},
                              PageSection{"injection", "Editing under a mask", injection_section},
                              PageSection{"patching", "Attention of other models", patching_section},
                              PageSection{"tracing", "Causal tracing", tracing_section},
                              PageSection{"inside", "Inside of the models", analysis_section},
                              PageSection{"comparisons", "Comparisons", comparisons_section},
                              PageSection{"perplexity", "Perplexity", perplexity_section},
                              PageSection{"overlap", "Which weights masks delete", overlap_section},
                              PageSection{"published", "Published figures", published_section},
                              PageSection{"facts", "Facts", facts_section},
                              PageSection{"definitions", "Definitions", definitions_section},
                              PageSection{"provenance", "Provenance", provenance_section}};

/// Nothing may be loaded, whatever a text of the study would want to.
constexpr char const* policy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

std::optional<YamlValue> settings_of(StudyFile const& study) {
  auto const text = study.attributes.find("study");
  return text == study.attributes.end() ? std::nullopt : std::optional(yaml_of(text->second, "The study in the study file"));
}

}  // namespace

std::string to_html(StudyFile const& study, TableOptions const& options) {
  auto const analysis = analysis_if_any(study);
  PageContext const context{
      study, Summary(study), report_parts(study, options), analysis, figures_of(study, analysis), settings_of(study)};
  std::string links, body;
  for (auto const& [id, heading, content] : sections) {
    auto const html = content(context);
    if (html.empty()) continue;
    links += std::string("<li><a href=\"#") + id + "\">" + heading + "</a></li>\n";
    body += std::string("<section id=\"") + id + "\" aria-labelledby=\"" + id + "-heading\">\n<h2 id=\"" + id + "-heading\">" +
            heading + "</h2>\n" + html + "</section>\n";
  }
  auto const title = escaped_markup(title_of(study));
  return std::string("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n") +
         "<meta http-equiv=\"Content-Security-Policy\" content=\"" + policy + "\">\n" +
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
         "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" + title + "</title>\n<style>\n" +
         std::string(embedded_page_style()) + drawing_style() + "</style>\n</head>\n<body>\n" +
         "<a class=\"skip\" href=\"#main\">Skip to the report</a>\n<header>\n<h1>" + title + "</h1>\n<p class=\"status " +
         need_status(study) + "\">" + escaped_markup(status_line(study)) + "</p>\n</header>\n" +
         "<nav aria-label=\"Sections\">\n<ul>\n" + links + "</ul>\n</nav>\n<main id=\"main\" tabindex=\"-1\">\n" + body +
         "<section id=\"fact\" aria-labelledby=\"fact-heading\" hidden></section>\n</main>\n<script>\n" +
         std::string(embedded_page_script()) + "</script>\n</body>\n</html>\n";
}

}  // namespace onemask
