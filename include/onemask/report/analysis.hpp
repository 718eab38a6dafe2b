#pragma once

#include <onemask/report/document.hpp>
#include <onemask/report/estimate.hpp>
#include <onemask/settings/condition_kind.hpp>
#include <onemask/store/study_file.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// A mean over facts, and where it is a difference of models Wilcoxon's p after Holm's correction over the layers.
struct AnalysisCell {
  Estimate value;
  std::optional<double> p = {};
};

/// A quantity over layers, or over parts, under several models; one way of editing and setting of the masks.
struct AnalysisTable {
  std::string split, edits, settings;
  std::string place;                 ///< of the prompt; "" where the quantity says it
  std::string quantity;              ///< "attention to new less true"
  std::string rows_of;               ///< what a row is: "layer", "part"
  std::vector<std::string> columns;  ///< models, "edited + mask (mean of 2)"
  struct Row {
    std::string label;
    std::vector<std::optional<AnalysisCell>> cells;  ///< by column
  };
  std::vector<Row> rows = {};
  bool percent = false;                   ///< shares
  bool yes_no = false;                    ///< shares of facts
  int decimals = 2;                       ///< of other numbers
  std::vector<ConditionKind> kinds = {};  ///< of the columns, where they are models
  bool is_drawn = false;                  ///< whether a report has a figure of it, too
};

/// What is found inside of the models of a study (docs/analysis.md).
struct AnalysisReport {
  std::vector<AnalysisTable> tables;
  std::vector<std::string> findings;  ///< sentences
};

/// The columns of a study file that such a report is made of. Throws what read_study_file throws, and UserError where the study
/// has no section 'analysis'.
StudyFile read_analyses(std::filesystem::path const& study_file);
/// Means are over facts, and over masks that differ in their seed alone; intervals are those of the bootstrap over facts and
/// seeds, of yes/no numbers interval_of_share. Throws UserError when a table or column is missing.
AnalysisReport make_analysis(StudyFile const& study);
Document analysis_document(StudyFile const& study, AnalysisReport const& report);
/// A line for every cell.
Table analysis_cells(StudyFile const& study, AnalysisReport const& report);

}  // namespace onemask
