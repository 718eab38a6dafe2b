#pragma once

#include <onemask/store/study_file.hpp>

namespace onemask {

/// Whether the study has published figures of its training facts together with those held back from training. Throws UserError
/// where their table lacks a column.
bool publishes_whole_training(StudyFile const& study);

/// Adds rows as of the table "summary" for the split "train+validation": all facts that a mask chose its training facts among, as
/// others count them. Of every condition RSR, KL, top-1 changed and success on rewrite prompts, and RSR on paraphrases, with the
/// 95 % intervals of the summary. Reports show them. The study must have been read with changes (read_results). Returns false,
/// and adds nothing, where several splits are trained on, whose facts held back the file does not tell apart, or none. Throws
/// UserError when a table or column is missing.
bool add_whole_training(StudyFile& study);

}  // namespace onemask
