#pragma once

#include <onemask/store/study_file.hpp>

#include <string>
#include <vector>

namespace onemask {

/// What a study found, in a sentence for every way of editing and, where masks differ in more than their seed, for each of those
/// settings: how many facts the mask gives back, of those it was trained on and of others; whether that is more than the best
/// baseline and than no mask; and what it does to the unedited model. More it is called only where a test of the same facts tells
/// (McNemar's of one mask, the bootstrap over facts and seeds of several), at 0.05 by Holm over the comparisons of a sentence;
/// where the facts are not the same, or not in the file, where the 95 % intervals do not overlap. Of a study without masks, how
/// often the edits succeed. Where models are scored with the attention of others, or facts edited under masks, paragraphs on
/// these follow. A partial study's sentence says so. None where nothing is planned.
///
/// Throws UserError like format_table.
std::vector<std::string> findings(StudyFile const& study);

}  // namespace onemask
