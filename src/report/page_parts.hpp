#pragma once

#include "report/figure.hpp"
#include <onemask/report/document.hpp>
#include <onemask/report/text_table.hpp>

#include <string>
#include <vector>

namespace onemask {

// Parts of a report as HTML. Texts are escaped; what the script adds (page/page.js) is not needed to read them.

/// A table in a box that scrolls. A row of a single cell heads the rows below it, or is the label of the next one where that has
/// none; a row without a label continues the one above it. The caption of a table that has a heading above it is only heard.
std::string html_table(TextTable const& table, std::string const& caption, bool is_headed = false);

/// Headings are of the third level; a table without one is captioned by the last heading and its own first cell.
std::string html_blocks(std::vector<DocumentBlock> const& blocks);

/// The drawing with its data behind a link.
std::string html_figure(ReportFigure const& figure);

/// Lines of a text as paragraphs, one for each term ("RSR: ..."), whose line begins with it.
std::string html_definitions(std::string const& lines);

std::string html_paragraph(std::string const& text);

/// What is only seen when it is opened, or printed.
std::string html_details(std::string const& summary, std::string const& content);

/// A list of texts.
std::string html_list(std::vector<std::string> const& items);

/// A link under which the content lies in the page itself.
std::string html_download(std::string const& label, std::string const& file, char const* type, std::string const& content);

}  // namespace onemask
