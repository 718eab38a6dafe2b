#pragma once

#include <onemask/report/overlap.hpp>

#include <filesystem>
#include <optional>
#include <set>
#include <string>

namespace onemask {

/// What of a study file says which objects its masks and edits are, besides the masks.
std::set<std::string> const& columns_for_mask_objects();

/// Reads from the folder of a run's objects the soft masks of a study file, and of all edits the changes at their zeros; from
/// `model`, the folder of the checkpoint that was edited, the weights there. What is missing or damaged is left out, and the note
/// says so. Throws ShapeError where model and masks do not belong together.
MaskObjects read_mask_objects(StudyFile const& study, std::filesystem::path const& folder,
                              std::optional<std::filesystem::path> const& model);

}  // namespace onemask
