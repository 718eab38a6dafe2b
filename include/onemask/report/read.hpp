#pragma once

#include <onemask/store/study_file.hpp>

#include <filesystem>

namespace onemask {

/// What reports are made of. Of the tables that grow with facts and prompts only the columns that tests of RSR need, `with_ranks`
/// those that tell which edits took, and `with_changes` those of all scores in the tables of RSR. Throws what read_study_file
/// throws.
StudyFile read_results(std::filesystem::path const& study_file, bool with_ranks = false, bool with_changes = false);

}  // namespace onemask
