#include "data/overlapping_facts.hpp"
#include "data/recognised_text.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/data/candidates.hpp>

#include <map>
#include <tuple>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// What names an edit.
using Question = std::pair<std::string, std::string>;

/// Remembers which split has which fact.
class Registry {
 public:
  /// The split that has this fact already, or null; then it belongs to `split`.
  std::string const* find_or_add(Fact const& fact, std::string const& split) {
    Question const question{fact.relation, recognised(fact.subject)};
    auto const named = questions_by_case_.try_emplace(fact.case_id, question).first;
    if (named->second != question) {
      throw UserError(
          fmt::format("case_id {} is used for two facts: '{}' ({}) and '{}' ({}, in split '{}'). "
                      "Give every fact of a study its own case_id.",
                      fact.case_id, named->second.second, named->second.first, fact.subject, fact.relation, split));
    }
    auto const [owner, added] = splits_.try_emplace(question, split);
    return added ? nullptr : &owner->second;
  }

 private:
  std::map<Question, std::string> splits_;
  std::map<std::int64_t, Question> questions_by_case_;
};

}  // namespace

SelectedFacts join_splits(std::vector<ChosenFacts> splits, std::vector<std::string> const& training_splits) {
  require_disjoint(splits, training_splits);
  Registry registry;
  SelectedFacts selected;
  std::map<std::string, std::map<std::string, std::size_t>> dropped;  // by split and by the split that has the fact
  std::map<std::string, std::size_t> kept;
  for (ChosenFacts& chosen : splits) {
    auto const& split = chosen.selection.split;
    std::map<std::string, std::size_t> taken;  // by relation
    for (Fact& fact : chosen.facts) {
      if (std::string const* const owner = registry.find_or_add(fact, split)) {
        ++dropped[split][*owner];
      } else {
        ++kept[split];
        ++taken[fact.relation];
        selected.facts.push_back({std::move(fact), split});
      }
    }
    if (kept[split] == 0) throw UserError("split '" + split + "' has no facts that are not in an earlier split too.");
    for (KnownCount& count : chosen.counts) {
      count.taken = count.relation == every_relation ? kept[split] : taken[count.relation];
      selected.known.push_back(std::move(count));
    }
  }
  std::size_t all = 0;
  for (auto const& [split, count] : kept) all += count;
  invariant(all == selected.facts.size(), "the splits have ", all, " facts, the study ", selected.facts.size());
  for (auto const& [split, owners] : dropped) {
    std::string places;
    std::size_t total = 0;
    for (auto const& [owner, count] : owners) {
      places += fmt::format("{}{} in '{}'", places.empty() ? "" : ", ", count, owner);
      total += count;
    }
    log_warning(fmt::format("Split '{}': dropped {} of {} facts whose relation and subject were selected before ({}).", split,
                            total, total + kept[split], places));
  }
  return selected;
}

std::vector<SplitFact> select_facts(std::vector<FactSelection> const& selections, std::filesystem::path const& base,
                                    std::vector<std::string> const& training_splits) {
  std::vector<ChosenFacts> splits;
  for (FactSelection const& selection : selections) splits.push_back(choose_facts(read_candidates(selection, base)));
  return join_splits(std::move(splits), training_splits).facts;
}

}  // namespace onemask
