#pragma once

#include <onemask/report/document.hpp>
#include <onemask/store/study_file.hpp>

#include <vector>

namespace onemask {

/// Masks against every shared baseline, no mask and the model without the matrix, by RSR on the facts that both are scored on; p
/// by Holm over all lines; a table for each way of editing. None of a study without masks and of one with masks of several sizes,
/// whose curves say more. The study must have the columns of tables_of_comparisons.
std::vector<DocumentBlock> comparison_overview(StudyFile const& study);

}  // namespace onemask
