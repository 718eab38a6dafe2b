#pragma once

#include <onemask/store/study_file.hpp>

#include <string>
#include <vector>

namespace onemask {

/// What a study found, in a sentence for every way of editing and, where masks differ in more than their seed, for each of those
/// settings: how many facts the mask gives back, of those it was trained on and of others; whether that is more than the best
/// baseline and than no mask, which it is called only where the 95 % intervals do not overlap; and what it does to the unedited
/// model. Of a study without masks, how often the edits succeed. A partial study's sentence says so. None where nothing is
/// planned.
///
/// Throws UserError like format_table.
std::vector<std::string> findings(StudyFile const& study);

}  // namespace onemask
