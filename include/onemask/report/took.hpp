#pragma once

#include <onemask/store/study_file.hpp>

namespace onemask {

/// Adds to the table "summary" what is given that edits took, on rewrite prompts, as means over facts with 95 % intervals:
///   known_top1     under `original`: the likeliest token is the first of the true object
///   took           under `edited`: P(new) > P(true), of the whole objects
///   took_top1      under `edited`: and the likeliest token is the first of the new object
///   rsr_took, rsr_took_top1  under every condition: RSR over the facts whose edit took
/// The study must have been read with ranks (read_results). Throws UserError when a table or column is missing.
void add_took(StudyFile& study);

}  // namespace onemask
