#include "report/page_parts.hpp"

#include "report/markup.hpp"
#include <onemask/core/text.hpp>
#include <onemask/report/export.hpp>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using Cells = std::vector<std::string>;

/// A row of the page: cells, each of one line or several.
struct PageRow {
  std::string label;
  std::vector<std::string> cells;  ///< HTML
  bool is_child = false;           ///< belongs to the row above it
};

/// Rows below one heading.
struct PageRows {
  std::string heading;
  std::vector<PageRow> rows;
};

std::string without_indent(std::string const& text) {
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

std::vector<PageRows> rows_of(TextTable const& table) {
  std::vector<PageRows> groups{{}};
  auto const& rows = table.rows();
  std::string waiting;  // a label that stands on its own above its row
  for (auto i = table.heading(); i < rows.size(); ++i) {
    auto const& row = rows[i];
    auto& group = groups.back();
    if (row.size() == 1) {
      bool const is_label = i + 1 < rows.size() && rows[i + 1].size() > 1 && rows[i + 1].front().empty();
      if (is_label) {
        waiting = row.front();
      } else {
        groups.push_back({row.front(), {}});
      }
      continue;
    }
    if (row.front().empty() && waiting.empty() && !group.rows.empty()) {  // the row above goes on
      auto& cells = group.rows.back().cells;
      for (std::size_t c = 1; c < row.size() && c <= cells.size(); ++c) {
        if (!row[c].empty()) cells[c - 1] += "<br><small>" + escaped_markup(row[c]) + "</small>";
      }
      continue;
    }
    auto const label = waiting.empty() ? row.front() : std::exchange(waiting, "");
    PageRow line{without_indent(label), {}, label.starts_with("  ") && group.heading.empty() && !group.rows.empty()};
    for (std::size_t c = 1; c < row.size(); ++c) line.cells.push_back(escaped_markup(row[c]));
    group.rows.push_back(std::move(line));
  }
  std::erase_if(groups, [](auto const& group) { return group.rows.empty() && group.heading.empty(); });
  return groups;
}

std::string percent_encoded(std::string const& content) {
  constexpr std::string_view kept = "-_.~,;:/!*()";
  std::string result;
  for (char const letter : content) {
    auto const byte = static_cast<unsigned char>(letter);
    bool const plain = byte < 0x80 && (std::isalnum(byte) || kept.find(letter) != std::string_view::npos);
    result += plain ? std::string(1, letter) : fmt::format("%{:02X}", byte);
  }
  return result;
}

/// The term that a line defines, with its colon; "" of a line that goes on.
std::string term_of(std::string const& line) {
  auto const colon = line.find(": ");
  if (colon == std::string::npos || colon > 40) return "";
  auto const term = line.substr(0, colon);
  return term.find_first_of(".;") == std::string::npos ? term + ":" : "";
}

}  // namespace

std::string html_table(TextTable const& table, std::string const& caption, bool is_headed) {
  auto const& rows = table.rows();
  std::size_t columns = 0;
  for (auto const& row : rows) columns = std::max(columns, row.size());
  auto const name = escaped_markup(caption);
  std::string html = "<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"" + name +
                     "\">\n<table class=\"data\">\n<caption" + (is_headed ? " class=\"unseen\"" : "") + ">" + name +
                     "</caption>\n<thead>\n";
  for (std::size_t i = 0; i < std::min(table.heading(), rows.size()); ++i) {
    html += "<tr>";
    for (std::size_t c = 0; c < columns; ++c) {
      auto const cell = c < rows[i].size() ? escaped_markup(rows[i][c]) : "";
      html += i == 0 ? "<th scope=\"col\">" + cell + "</th>" : "<td>" + cell + "</td>";
    }
    html += "</tr>\n";
  }
  html += "</thead>\n";
  for (auto const& [heading, lines] : rows_of(table)) {
    html += "<tbody>\n";
    if (!heading.empty())
      html += fmt::format("<tr class=\"heading\"><th scope=\"rowgroup\" colspan=\"{}\">{}</th></tr>\n", columns,
                          escaped_markup(heading));
    for (auto const& [label, cells, is_child] : lines) {
      html += std::string("<tr") + (is_child ? " class=\"child\"" : "") + "><th scope=\"row\">" + escaped_markup(label) + "</th>";
      for (std::size_t c = 0; c + 1 < columns; ++c) html += "<td>" + (c < cells.size() ? cells[c] : "") + "</td>";
      html += "</tr>\n";
    }
    html += "</tbody>\n";
  }
  return html + "</table>\n</div>\n";
}

std::string html_blocks(std::vector<DocumentBlock> const& blocks) {
  std::string html, heading;
  for (auto const& block : blocks) {
    if (!block.heading.empty()) {
      heading = block.heading;
      html += "<h3>" + escaped_markup(heading) + "</h3>\n";
    }
    if (auto const& rows = block.table.rows(); !rows.empty()) {
      auto const& first = rows.front().front();
      bool const is_headed = !block.heading.empty();
      html += html_table(block.table, is_headed ? heading : (heading.empty() ? "" : heading + ": ") + first, is_headed);
    }
    if (!block.sentences.empty()) html += html_definitions(block.sentences);
  }
  return html;
}

std::string html_figure(ReportFigure const& figure) {
  return "<figure id=\"" + figure.name + "\">\n<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"" +
         escaped_markup(figure.title) + "\">\n" + svg_of(figure.drawing, figure.title, figure.caption, SvgForm::part) +
         "</div>\n<figcaption><b>" + escaped_markup(figure.title) + ".</b> " + escaped_markup(figure.caption) +
         "\n<span class=\"files\">" + html_download("data as CSV", figure.name + ".csv", "text/csv", to_csv(figure.data)) +
         "</span></figcaption>\n</figure>\n";
}

std::string html_definitions(std::string const& lines) {
  std::string html;
  bool open = false, ended = false;
  for (auto const& line : split_text(lines, '\n')) {
    if (line.empty()) continue;
    auto const term = open && !ended ? "" : term_of(line);  // a sentence that goes on defines nothing
    if (!open || !term.empty()) html += std::string(open ? "</p>\n" : "") + "<p>";
    if (open && term.empty()) html += " ";
    html += (term.empty() ? "" : "<b>" + escaped_markup(term) + "</b>") + escaped_markup(line.substr(term.size()));
    open = true, ended = line.ends_with('.');
  }
  return html + (open ? "</p>\n" : "");
}

std::string html_paragraph(std::string const& text) {
  return "<p>" + escaped_markup(text) + "</p>\n";
}

std::string html_details(std::string const& summary, std::string const& content) {
  return "<details>\n<summary>" + escaped_markup(summary) + "</summary>\n" + content + "</details>\n";
}

std::string html_list(std::vector<std::string> const& items) {
  return "<ul>\n" + join(items, "", [](auto const& item) { return "<li>" + escaped_markup(item) + "</li>\n"; }) + "</ul>\n";
}

std::string html_download(std::string const& label, std::string const& file, char const* type, std::string const& content) {
  return "<a download=\"" + escaped_markup(file) + "\" href=\"data:" + type + ";charset=utf-8," + percent_encoded(content) +
         "\">" + escaped_markup(label) + "</a>";
}

}  // namespace onemask
