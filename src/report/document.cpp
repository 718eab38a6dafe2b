#include <onemask/core/text.hpp>
#include <onemask/report/document.hpp>

#include <algorithm>
#include <functional>
#include <string_view>

namespace onemask {
namespace {

/// With each character that `escaped` knows in its place.
std::string replaced(std::string const& text, std::function<std::string(char)> const& escaped) {
  std::string result;
  for (char const letter : text) result += escaped(letter);
  return result;
}

std::string markdown(std::string const& text) {
  return replaced(text, [](char letter) {
    bool const special = std::string_view("\\`*_|<>").find(letter) != std::string_view::npos;
    return (special ? "\\" : "") + std::string(1, letter);
  });
}

std::string latex(std::string const& text) {
  return replaced(text, [](char letter) -> std::string {
    switch (letter) {
      case '\\':
        return "\\textbackslash{}";
      case '~':
        return "\\textasciitilde{}";
      case '^':
        return "\\textasciicircum{}";
      case '<':
        return "\\textless{}";
      case '>':
        return "\\textgreater{}";
      case '|':
        return "\\textbar{}";
      default:
        bool const special = std::string_view("&%$#_{}").find(letter) != std::string_view::npos;
        return (special ? "\\" : "") + std::string(1, letter);
    }
  });
}

/// A cell whose leading spaces stay visible as `indent`, two at a time.
std::string indented(std::string const& cell, std::string const& indent, std::string (*escape)(std::string const&)) {
  auto const spaces = std::min(cell.find_first_not_of(' '), cell.size());
  std::string result;
  for (std::size_t i = 0; i + 1 < spaces; i += 2) result += indent;
  return result + escape(cell.substr(spaces));
}

std::size_t columns_of(TextTable const& table) {
  std::size_t columns = 0;
  for (auto const& row : table.rows()) columns = std::max(columns, row.size());
  return columns;
}

std::string markdown(TextTable const& table) {
  auto const columns = columns_of(table);
  std::string rule = "|---|", lines;
  for (std::size_t i = 1; i < columns; ++i) rule += "---:|";
  for (auto row : table.rows()) {
    row.resize(columns);
    auto const cells = join(row, " | ", [](auto const& cell) { return indented(cell, "&emsp;", markdown); });
    lines += "| " + cells + " |\n" + (lines.empty() ? rule + "\n" : "");
  }
  return lines;
}

std::string latex(TextTable const& table) {
  auto const columns = columns_of(table);
  std::string lines = "\\begin{tabular}{l" + std::string(columns - 1, 'r') + "}\n\\toprule\n";
  for (auto const& row : table.rows()) {
    if (row.size() == 1) {
      lines += "\\multicolumn{" + std::to_string(columns) + "}{l}{" + indented(row.front(), "\\quad ", latex) + "}";
    } else {
      lines += join(row, " & ", [](auto const& cell) { return indented(cell, "\\quad ", latex); });
    }
    lines += &row == &table.rows().front() ? " \\\\\n\\midrule\n" : " \\\\\n";
  }
  return lines + "\\bottomrule\n\\end{tabular}\n";
}

}  // namespace

std::string laid_out(Document const& document, DocumentFormat format) {
  switch (format) {
    case DocumentFormat::markdown:
      return to_markdown(document);
    case DocumentFormat::latex:
      return to_latex(document);
    case DocumentFormat::text:
      break;
  }
  return to_text(document);
}

std::string to_text(Document const& document) {
  auto text = document.status;
  for (auto const& block : document.blocks)
    text += "\n" + block.heading + (block.heading.empty() ? "" : "\n") + block.table.text() + block.sentences;
  return text;
}

std::string to_markdown(Document const& document) {
  auto text = markdown(document.status);
  for (auto const& [heading, table, sentences] : document.blocks) {
    if (!heading.empty()) text += "\n### " + markdown(heading) + "\n";
    if (!table.rows().empty()) text += "\n" + markdown(table);
    if (!sentences.empty()) text += "\n" + markdown(sentences);
  }
  return text;
}

std::string to_latex(Document const& document) {
  auto text = "% Needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs}.\n" + latex(document.status);
  for (auto const& [heading, table, sentences] : document.blocks) {
    text += "\n";
    if (table.rows().empty()) {
      if (!heading.empty()) text += "\\paragraph{" + latex(heading) + "}\n";
    } else {
      text +=
          "\\begin{table}\n" + (heading.empty() ? "" : "\\caption{" + latex(heading) + "}\n") + latex(table) + "\\end{table}\n";
    }
    text += latex(sentences);
  }
  return text;
}

}  // namespace onemask
