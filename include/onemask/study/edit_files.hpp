#pragma once

#include <onemask/settings/edit_options.hpp>
#include <onemask/study/study.hpp>

#include <filesystem>

namespace onemask {

/// Whether facts have paths of their own, by {case_id} or {split}: files that need not all be there.
bool is_pattern(EditFiles const& files);

/// What stands in braces in a path and is neither {case_id} nor {split}; empty where there is nothing like it.
std::string unknown_part(std::string const& path);

/// Where the finished edit of a fact is looked for; empty where the study names none for it. Facts that are held back from
/// training are of the training split.
std::filesystem::path edit_file_of(EditFiles const& files, SplitFact const& fact);

}  // namespace onemask
