#pragma once

#include <onemask/plan/plan.hpp>
#include <onemask/store/object_store.hpp>

#include <filesystem>

namespace onemask {

/// Removes what killed starts left in the run folder: checkpoints of masks and second moments that are in the store, and
/// temporary files that nobody has written to for an hour. Whoever else uses the folder, such as `onemask gather`, is not
/// disturbed.
void tidy(std::filesystem::path const& folder, Plan const& plan, ObjectStore const& objects);

}  // namespace onemask
