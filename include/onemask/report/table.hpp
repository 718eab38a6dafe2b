#pragma once

#include <onemask/report/document.hpp>
#include <onemask/store/study_file.hpp>

#include <string>

namespace onemask {

/// How much of a study the table shows.
struct TableOptions {
  bool by_relation = false;  ///< every relation of a split as well, not only all of them together
  bool per_mask = false;     ///< a line for every study point under the mean over them
};

/// The results of a study for people: for every split and way of editing one line per kind of model (unedited, edited,
/// edited + mask, the baselines, unedited + mask) with its zeros, RSR, KL and changed first tokens, where the neighborhood is
/// scored the quality of the edits by CounterFact's definitions; then perplexities and published figures where there are some,
/// what was found in words (see findings), what the columns mean, and the wall time of the stages. A line is the mean over masks
/// that differ in their seed alone. Lines are UTF-8 and end in '\n'. COMPLETE or PARTIAL and the number of tasks stand on top.
///
/// Throws UserError when the file lacks an attribute, a table or a column of a gathered study, or names a condition of a kind
/// that is not known.
Document make_document(StudyFile const& study, TableOptions const& options = {});

/// The same as text.
std::string format_table(StudyFile const& study, TableOptions const& options = {});

}  // namespace onemask
