#pragma once

#include "report/figure.hpp"
#include "report/report_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/yaml_value.hpp>
#include <onemask/store/study_file.hpp>

#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// What the sections of a page are made of.
struct PageContext {
  StudyFile const& study;
  Summary summary;
  ReportParts parts;
  AnalysisReport analysis;
  std::vector<ReportFigure> figures;
  std::optional<YamlValue> settings;  ///< the study's YAML
};

// Sections as HTML, without their heading; "" of one that has nothing to say.
std::string warnings_section(PageContext const& context);
std::string asked_section(PageContext const& context);
std::string facts_section(PageContext const& context);
std::string provenance_section(PageContext const& context);

}  // namespace onemask
