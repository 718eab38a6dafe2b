#pragma once

#include <onemask/settings/edit_options.hpp>
#include <onemask/study/study.hpp>

#include <filesystem>

namespace onemask {

/// Where the finished edit of a fact is looked for; empty where the study names none for it. Facts that are held back from
/// training are of the training split.
std::filesystem::path edit_file_of(EditFiles const& files, SplitFact const& fact, Study const& study);

}  // namespace onemask
