#pragma once

#include "report/analysed_models.hpp"
#include <onemask/report/analysis.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace onemask {

/// Makes the tables of one way of editing and one setting of the masks. All of it must outlive this.
class AnalysisMaker {
 public:
  AnalysisMaker(StudyFile const& study, AnalysisGroup const& group, AnalysisBootstrap& bootstrap, AnalysisReport& report)
      : study_(study), group_(group), bootstrap_(bootstrap), report_(report) {}

  /// Of "contributions", by place, part, layer and head: true, new.
  void contributions(AnalysisNumbers const& numbers);
  /// Of "traces", by place and layer: logit_true, logit_new, lp_true, lp_new, rank_true, rank_new.
  void traces(AnalysisNumbers const& numbers);
  /// Of "attention", by layer and head: the measures in the order of the table.
  void attention(AnalysisNumbers const& numbers);
  /// Of the tables of these names.
  void dimensions();
  void maps();

 private:
  using Keys = std::vector<std::string>;
  using Value = std::function<double(std::vector<double> const&)>;
  /// A row of a table: numbers that are added up over these keys.
  struct NumberRow {
    std::string label;
    std::vector<Keys> keys;
  };
  enum class Show { numbers, shares, yes_no };
  enum class Draw { no, yes };

  AnalysisTable begin(std::string const& quantity, std::string const& place, std::string const& rows_of, Show show,
                      Draw draw = Draw::no) const;
  std::string label_of(AnalysedKind const& kind, AnalysisNumbers const& numbers, std::vector<NumberRow> const& rows) const;
  std::vector<NumbersOfFacts> numbers_of(AnalysisNumbers const& numbers, AnalysedKind const& kind, std::vector<Keys> const& keys,
                                         Value const& value) const;
  std::vector<NumbersOfFacts> drift_of(AnalysisNumbers const& numbers, AnalysedKind const& kind, std::vector<Keys> const& keys,
                                       Value const& value) const;
  void add(AnalysisTable table, AnalysisNumbers const& numbers, std::vector<NumberRow> const& rows, Value const& value,
           bool of_original = true);
  void drift(AnalysisNumbers const& numbers, std::vector<NumberRow> const& rows, Value const& value);
  void removed(AnalysisNumbers const& numbers, std::vector<NumberRow> const& rows, Value const& value,
               AnalysisTable const& drift);
  void shift(AnalysisNumbers const& numbers, std::vector<Keys> const& layers);

  StudyFile const& study_;
  AnalysisGroup const& group_;
  AnalysisBootstrap& bootstrap_;
  AnalysisReport& report_;
};

}  // namespace onemask
