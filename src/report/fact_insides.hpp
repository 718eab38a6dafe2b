#pragma once

#include <onemask/store/study_file.hpp>

#include <cstddef>

#include <nlohmann/json.hpp>

namespace onemask {

/// What happens inside of models while they read single facts: "traces", "tracing" and "maps" of a page's data, where the study
/// has them. Of many facts and models only as much as a page can hold, which "left_out" counts.
void add_insides(StudyFile const& study, std::size_t facts, nlohmann::ordered_json& data);

}  // namespace onemask
