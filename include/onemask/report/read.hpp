#pragma once

#include <onemask/store/study_file.hpp>

#include <filesystem>

namespace onemask {

/// What reports are made of. Of the tables that grow with facts and prompts only the columns that tests of RSR need, and
/// `with_ranks` those that tell which edits took. Throws what read_study_file throws.
StudyFile read_results(std::filesystem::path const& study_file, bool with_ranks = false);

}  // namespace onemask
