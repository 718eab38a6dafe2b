#pragma once

#include "gather/analysis_sums.hpp"
#include <onemask/analysis/model_analysis.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/store/study_writer.hpp>
#include <onemask/study/study.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Writes the tables of what is looked at inside of the models, task after task: "analyses", and those that the study asks for of
/// "contributions", "source_contributions", "unit_contributions", "attention", "traces", "dimensions", "maps", "fact_maps". Facts
/// that are not edited in a model have no rows of it.
class AnalysisTables {
 public:
  /// All of it must outlive this.
  AnalysisTables(StudyWriter& writer, Plan const& plan, Study const& study);
  ~AnalysisTables();

  /// Whether the result has the models and facts of the plan's task.
  bool fits(std::size_t task, AnalysisResult const& result) const;
  void add(std::size_t task, AnalysisResult const& result);
  /// Writes what is shown as means over facts, and gives the checksums of all tables. `zeros` by mask.
  std::map<std::string, std::string> close(std::vector<double> const& zeros);

 private:
  std::size_t first_row(AnalysisTask const& task) const { return row_of_.at({task.set, task.mask}); }
  Table analyses(std::vector<double> const& zeros) const;

  StudyWriter& writer_;
  Plan const& plan_;
  AnalysisOptions const& options_;
  std::map<std::pair<std::size_t, std::ptrdiff_t>, std::size_t> row_of_;  ///< first row of "analyses" of a set and mask
  std::map<std::string, std::unique_ptr<TableStream>> streams_;           ///< those that grow with facts
  AnalysisSums sums_;
};

}  // namespace onemask
