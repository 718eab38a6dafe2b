#pragma once

#include <onemask/core/names.hpp>
#include <onemask/report/text_table.hpp>

#include <array>
#include <string>
#include <vector>

namespace onemask {

/// A part of a report. Each of its three may be missing.
struct DocumentBlock {
  std::string heading;
  TextTable table;
  std::string sentences;  ///< lines that end in '\n'
};

/// A report before it is laid out.
struct Document {
  std::string status;  ///< a line that ends in '\n'
  std::vector<DocumentBlock> blocks;
};

enum class DocumentFormat { text, markdown, latex };
inline constexpr std::array<Named<DocumentFormat>, 3> document_format_names{
    {{DocumentFormat::text, "text"}, {DocumentFormat::markdown, "markdown"}, {DocumentFormat::latex, "latex"}}};

std::string laid_out(Document const& document, DocumentFormat format);

/// Lines for a terminal, blocks with an empty line between them.
std::string to_text(Document const& document);

/// The same for GitHub, notebooks and pandoc: tables with pipes, headings of the third level.
std::string to_markdown(Document const& document);

/// The same for a paper: tables of the package booktabs, their headings as captions.
std::string to_latex(Document const& document);

}  // namespace onemask
