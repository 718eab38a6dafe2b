#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/study/study.hpp>

#include <cstddef>
#include <filesystem>
#include <vector>

namespace onemask {

/// Facts to tune on: `count` of `files`, or without any of the study's own files, that no split of the study selects, by
/// (relation, subject) or by case_id. All have paraphrases and neighborhood prompts, and each has a subject of its own. Their
/// order is drawn from their case_ids alone, so fewer facts are the first of more. Throws UserError where there are too few.
std::vector<Fact> choose_probes(Study const& study, std::vector<std::filesystem::path> const& files, std::size_t count);

}  // namespace onemask
