#pragma once

#include <onemask/store/study_file.hpp>

#include <string>

namespace onemask {

/// How much of a study the table shows.
struct TableOptions {
  bool by_relation = false;  ///< every relation of a split as well, not only all of them together
  bool per_mask = false;     ///< a line for every study point under the mean over them
};

/// The results of a study for people: for every split one line per kind of model (unedited, edited, edited + mask, the baselines,
/// unedited + mask) with its zeros, RSR, KL and changed first tokens, where the neighborhood is scored the quality of the edits
/// by CounterFact's definitions, what these mean, and the wall time of the stages. Lines are UTF-8 and end in '\n'. COMPLETE or
/// PARTIAL and the number of tasks stand on top.
///
/// Throws UserError when the file lacks an attribute, a table or a column of a gathered study, or names a condition of a kind
/// that is not known.
std::string format_table(StudyFile const& study, TableOptions const& options = {});

}  // namespace onemask
