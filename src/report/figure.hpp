#pragma once

#include "report/drawing.hpp"
#include <onemask/report/analysis.hpp>
#include <onemask/report/matrix.hpp>
#include <onemask/store/study_file.hpp>

#include <string>
#include <vector>

namespace onemask {

enum class FigurePlace { splits, curves, matrices, injection, patching, tracing, analysis };

/// A figure of a report.
struct ReportFigure {
  FigurePlace place;
  std::string name;     ///< of its files: letters, digits and hyphens; no two figures have one
  std::string heading;  ///< "Split heldout, edit.method=rome": what it belongs to, as tables are headed
  std::string title, caption;
  Drawing drawing;
  Table data;  ///< a row for every bar, point or cell
};

/// RSR of masks by what they are scored on, wherever that is more than the bars of the splits show.
std::vector<MatrixReport> matrices_of(StudyFile const& study);

/// What is found inside of the models; nothing of a study without a section 'analysis'. Throws UserError like make_analysis.
AnalysisReport analysis_if_any(StudyFile const& study);

/// All figures that the study has results for, in the order of a report. Throws UserError like make_document.
std::vector<ReportFigure> figures_of(StudyFile const& study, AnalysisReport const& analysis);

}  // namespace onemask
