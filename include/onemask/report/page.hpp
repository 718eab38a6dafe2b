#pragma once

#include <onemask/report/table.hpp>
#include <onemask/store/study_file.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// A report as one HTML file that loads nothing: warnings, what was asked and found, the tables of make_document, figures with
/// their data, every fact under every model, and where the results come from. Without scripts tables and figures are there;
/// with them tables are sorted and facts are searched. Equal studies give equal bytes. The study must have been read whole.
///
/// Throws UserError like make_document.
std::string to_html(StudyFile const& study, TableOptions const& options = {});

/// Writes every figure as SVG and as PDF for a paper, its data as CSV, and captions.md with their captions. Makes the folder.
/// Returns the names of the figures. Throws UserError like make_document, RunError where the disk fails.
std::vector<std::string> write_figures(StudyFile const& study, std::filesystem::path const& folder);

}  // namespace onemask
