#include "report/analysis_findings.hpp"
#include "report/analysis_maker.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/analysis.hpp>

#include <optional>

namespace onemask {

StudyFile read_analyses(std::filesystem::path const& study_file) {
  auto study = read_study_file(study_file, {"analyses", "contributions", "attention", "traces", "dimensions", "maps"});
  if (!study.tables.contains("analyses")) {
    throw UserError(study_file.string() +
                    " has nothing of the inside of models: the study has no section 'analysis'. Add it and run the study "
                    "into another folder, with --objects RUN/objects, where what is done already is found.");
  }
  return study;
}

AnalysisReport make_analysis(StudyFile const& study) {
  AnalysisReport report;
  AnalysisBootstrap bootstrap;
  auto const kinds = analysed_kinds(study);
  auto const numbers = [&](char const* table, std::vector<std::string> const& keys, std::vector<std::string> const& columns) {
    return study.tables.contains(table) ? std::optional<AnalysisNumbers>(std::in_place, study, table, keys, columns)
                                        : std::nullopt;
  };
  auto const contributions = numbers("contributions", {"place", "part", "layer", "head"}, {"true", "new"});
  auto const traces =
      numbers("traces", {"place", "layer"}, {"logit_true", "logit_new", "lp_true", "lp_new", "rank_true", "rank_new"});
  auto const attention = numbers("attention", {"layer", "head"},
                                 {"alpha", "alpha_max", "alpha_subject", "drifting", "pull", "pattern", "value", "interaction",
                                  "pattern_elsewhere", "value_elsewhere", "interaction_elsewhere"});
  for (auto const& group : analysis_groups(kinds)) {
    AnalysisMaker maker(study, group, bootstrap, report);
    if (contributions) maker.contributions(*contributions);
    if (traces) maker.traces(*traces);
    if (attention) maker.attention(*attention);
    if (study.tables.contains("dimensions")) maker.dimensions();
    if (study.tables.contains("maps")) maker.maps();
  }
  report.findings = analysis_findings(study, report.tables);
  return report;
}

}  // namespace onemask
