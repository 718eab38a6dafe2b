#pragma once

#include <onemask/report/estimate.hpp>
#include <onemask/store/study_file.hpp>

#include <string>
#include <vector>

namespace onemask {

// Parts of the sentences that say what was found.

/// "85 % [83, 87]"
std::string share_text(Estimate const& value);
/// "a", "a and b", "a, b and c"
std::string enumeration(std::vector<std::string> const& parts);
/// The split that the study's masks are trained on; where it is swept, all of them: "train, other".
std::string train_split_of(StudyFile const& study);
/// "the 30 held-out facts", "20 of the 30 held-out facts"
std::string facts_text(std::string const& train_split, std::string const& split, Estimate const& value);
/// "so far (PARTIAL: 3 of 14 tasks)"; "" of a study that is complete.
std::string so_far(StudyFile const& study);

}  // namespace onemask
