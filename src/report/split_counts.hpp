#pragma once

#include <onemask/store/study_file.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// Scores of facts that are there, and those that are planned.
struct ScoreCounts {
  std::int64_t n = 0, planned = 0;
};

/// Of rewrite prompts under all models, by split, in the order of the file; and the facts planned of each split.
struct SplitCounts {
  std::string split;
  ScoreCounts scores;
  std::int64_t facts = 0;
};

/// Of the table "summary".
std::vector<SplitCounts> counts_by_split(StudyFile const& study);

/// Of so few facts a report warns.
inline constexpr std::int64_t few_facts = 30;

/// A sentence for every split of few facts.
std::vector<std::string> warnings_of_few_facts(StudyFile const& study);

}  // namespace onemask
