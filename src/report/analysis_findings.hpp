#pragma once

#include <onemask/report/analysis.hpp>

#include <string>
#include <vector>

namespace onemask {

// Quantities that sentences are made of.
inline constexpr char const* drift_name = "drift of attention to the subject's last token";
inline constexpr char const* removed_name = "share of the drift that the mask removes";
inline constexpr char const* shift_name = "shift of new less true through attention";
inline constexpr char const* all_of_them = "all of them";

/// "last token", "subject's last token"
std::string words_of_place(std::string const& place);

/// What the tables say in words, a paragraph for every way of editing and setting of the masks.
std::vector<std::string> analysis_findings(StudyFile const& study, std::vector<AnalysisTable> const& tables);

}  // namespace onemask
