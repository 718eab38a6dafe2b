#pragma once

#include <onemask/comm/environment.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/data/candidates.hpp>
#include <onemask/study/study.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace onemask {

/// How many candidates of a relation a model knows by either test, each by the margin of the split.
struct SurveyRow {
  std::string relation;  ///< every_relation: all of the split
  std::size_t candidates = 0, two_way = 0, top1 = 0;
};

/// What a model knows of all facts that a split is chosen among.
struct SplitSurvey {
  FactSelection selection;
  std::vector<SurveyRow> rows;  ///< all relations together, then each by itself
  std::vector<Fact> known;      ///< by the split's test, in its order
};

/// Where the scores of facts are kept, and when scoring ends early.
struct SurveyOptions {
  std::filesystem::path objects = {};             ///< folder that they are looked for and kept in; empty: none
  std::function<bool()> must_stop = interrupted;  ///< asked again and again
};

/// Scores all candidates of the split that is named, or of every split, with the study's model. A split without a test is given
/// the test two-way. The scores are those that a run of the study takes its facts by. Collective; throws UserError on every rank
/// for a split that the study does not have, and as run_study does, and Interrupted where it must stop.
std::vector<SplitSurvey> survey_known(Environment const& environment, Study const& study, std::string const& split,
                                      SurveyOptions const& options);

/// The facts of all splits as a run of the study takes them. The model is read only where a split asks for facts that it knows.
/// Collective; throws as survey_known.
std::vector<SplitFact> facts_of_splits(Environment const& environment, Study const& study, SurveyOptions const& options);

}  // namespace onemask
