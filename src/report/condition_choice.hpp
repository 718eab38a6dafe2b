#pragma once

#include "report/paired_scores.hpp"
#include "report/summary.hpp"

#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Models of one kind, way of editing and setting of masks that a name chooses.
struct ChosenModels {
  std::string edits, settings, label;
  SeededModels models;
};

/// What two names choose, as models that can be compared: of the same way of editing and, where both have some, settings of
/// masks; of others only where each name chooses but one. Names are those of a ComparisonRequest. Throws UserError for an unknown
/// name, and where nothing is left to compare.
std::vector<std::pair<ChosenModels, ChosenModels>> choose_pairs(Summary const& summary, std::string const& a,
                                                                std::string const& b);

}  // namespace onemask
