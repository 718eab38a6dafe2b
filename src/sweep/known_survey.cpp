#include "sweep/open_run.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/sweep/known_survey.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace onemask {
namespace {

/// The selections to look at, with a test each.
std::vector<FactSelection> surveyed_selections(Study const& study, std::string const& split) {
  std::vector<FactSelection> selections;
  std::vector<std::string> names;
  for (auto selection : study.facts) {
    names.push_back(selection.split);
    if (!split.empty() && selection.split != split) continue;
    if (selection.known == KnownTest::none) selection.known = KnownTest::two_way;
    selections.push_back(std::move(selection));
  }
  if (selections.empty()) {
    throw UserError("The study '" + study.name + "' has no split '" + split + "'; its splits are " + join(names, ", ") + "." +
                    did_you_mean(split, names));
  }
  return selections;
}

SplitSurvey survey_of(Candidates const& candidates, std::vector<FactMargins> const& margins) {
  auto const& selection = candidates.selection;
  auto of_test = [&](KnownTest test) {
    auto other = selection;
    other.known = test;
    return other;
  };
  auto const two_way = of_test(KnownTest::two_way), top1 = of_test(KnownTest::top1);
  SplitSurvey survey{selection, {}, {}};
  SurveyRow all{every_relation};
  std::map<std::string, SurveyRow> rows;
  for (std::size_t i = 0; i < candidates.facts.size(); ++i) {
    auto const& fact = candidates.facts[i];
    for (auto* row : {&all, &rows.try_emplace(fact.relation, SurveyRow{fact.relation}).first->second}) {
      ++row->candidates;
      row->two_way += is_known(margins[i], two_way);
      row->top1 += is_known(margins[i], top1);
    }
    if (is_known(margins[i], selection)) survey.known.push_back(fact);
  }
  survey.rows.push_back(std::move(all));
  for (auto& [relation, row] : rows) survey.rows.push_back(std::move(row));
  return survey;
}

/// The store of the folder, where one is named. Collective.
std::optional<ObjectStore> store_of(Communicator const& world, SurveyOptions const& options, LoadedModel const& loaded) {
  std::optional<ObjectStore> store;
  agree(world, [&] {
    if (!options.objects.empty()) store.emplace(options.objects, true, kind_of_numbers(loaded.model->device()));
  });
  return store;
}

}  // namespace

std::vector<SplitSurvey> survey_known(Environment const& environment, Study const& study, std::string const& split,
                                      SurveyOptions const& options) {
  auto const world = environment.world();
  std::vector<FactSelection> selections;
  agree(world, [&] { selections = surveyed_selections(study, split); });
  auto const loaded = load_model(environment, study, Tasks::done_here);
  auto const store = store_of(world, options, loaded);
  auto scoring = scoring_of(world, study, loaded, store ? &*store : nullptr);
  scoring.must_stop = options.must_stop;
  std::vector<SplitSurvey> surveys;
  for (auto const& selection : selections) {
    std::optional<Candidates> candidates;
    agree(world, [&] { candidates = read_candidates(selection, study.base); });
    surveys.push_back(survey_of(*candidates, score_all(scoring, *candidates)));
  }
  return surveys;
}

std::vector<SplitFact> facts_of_splits(Environment const& environment, Study const& study, SurveyOptions const& options) {
  auto const world = environment.world();
  auto const asks = [](FactSelection const& selection) { return selection.known != KnownTest::none; };
  if (std::any_of(study.facts.begin(), study.facts.end(), asks)) {
    auto const loaded = load_model(environment, study, Tasks::done_here);
    auto const store = store_of(world, options, loaded);
    auto scoring = scoring_of(world, study, loaded, store ? &*store : nullptr);
    scoring.must_stop = options.must_stop;
    return find_facts(scoring).selected.facts;
  }
  std::vector<SplitFact> facts;
  agree(world, [&] { facts = select_facts(study.facts, study.base); });
  return facts;
}

}  // namespace onemask
