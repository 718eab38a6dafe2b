#pragma once

#include <onemask/data/split.hpp>
#include <onemask/study/study.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// The files that probe facts come from: `files`, or without any those of the study's splits; relative ones start from the
/// study's folder.
std::vector<std::string> probe_files(Study const& study, std::vector<std::filesystem::path> const& files);

/// Facts to tune on: `count` of the probe files that are none of `selected`, the facts of the study's splits, by (relation,
/// subject) or by case_id; where `known` is given, only of these. All have paraphrases and neighborhood prompts, and each has a
/// subject of its own. Their order is drawn from their case_ids alone, so fewer facts are the first of more. Throws UserError
/// where there are too few.
std::vector<Fact> choose_probes(Study const& study, std::vector<SplitFact> const& selected,
                                std::vector<std::filesystem::path> const& files, std::size_t count,
                                std::optional<std::vector<Fact>> const& known = {});

}  // namespace onemask
