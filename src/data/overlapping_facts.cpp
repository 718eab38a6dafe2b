#include "data/overlapping_facts.hpp"

#include "data/recognised_text.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::size_t most_named = 5;  // facts of a kind in a message

constexpr std::array<Named<FactOverlap>, 3> descriptions{
    {{FactOverlap::case_id, "the same case_id"},
     {FactOverlap::subject, "the same relation and subject under another case_id"},
     {FactOverlap::prompt, "the same rewrite prompt under another relation or subject"}}};

/// What facts are recognised by.
class TrainingFactIndex {
 public:
  void add(Fact const& fact) {
    cases_.insert(fact.case_id);
    subjects_.emplace(fact.relation, recognised(fact.subject));
    prompts_.insert(recognised(fact.question()));
  }
  std::optional<FactOverlap> overlap(Fact const& fact) const {
    if (cases_.contains(fact.case_id)) return FactOverlap::case_id;
    if (subjects_.contains({fact.relation, recognised(fact.subject)})) return FactOverlap::subject;
    if (prompts_.contains(recognised(fact.question()))) return FactOverlap::prompt;
    return std::nullopt;
  }

 private:
  std::set<std::int64_t> cases_;
  std::set<std::pair<std::string, std::string>> subjects_;
  std::set<std::string> prompts_;
};

/// "3 with the same case_id: 7 (Danielle Darrieux, P103), 9 (…), 11 (…)"
std::string named(std::vector<Fact const*> const& facts, FactOverlap kind) {
  auto const some = std::vector(facts.begin(), facts.begin() + std::min(std::ssize(facts), std::ptrdiff_t{most_named}));
  auto const list =
      join(some, ", ", [](auto const* fact) { return fmt::format("{} ({}, {})", fact->case_id, fact->subject, fact->relation); });
  auto const more = facts.size() - some.size();
  return fmt::format("{} with {}: case_id {}{}", facts.size(), name_of(descriptions, kind), list,
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

void require_disjoint(ChosenFacts const& chosen, TrainingFactIndex const& training, std::string const& training_split) {
  auto const& [selection, facts, counts] = chosen;
  std::vector<std::string> found, keys;
  for (auto const& [kind, key] : fact_overlap_names) {
    auto const& allowed = selection.allow_overlap;
    if (std::find(allowed.begin(), allowed.end(), kind) != allowed.end()) continue;
    std::vector<Fact const*> shared;
    for (auto const& fact : facts) {
      if (training.overlap(fact) == kind) shared.push_back(&fact);
    }
    if (shared.empty()) continue;
    found.push_back(named(shared, kind));
    keys.emplace_back(key);
  }
  if (found.empty()) return;
  for (auto const kind : selection.allow_overlap) keys.push_back(name_of(fact_overlap_names, kind));
  throw UserError(fmt::format(
      "split '{}' has facts of the split '{}', which masks are trained on: {}. Its scores would not be of unseen facts. Choose "
      "other "
      "facts, or allow it by 'facts.{}.allow_overlap: [{}]'. A fact with the same case_id, or relation and subject, then "
      "counts for the earlier split alone.",
      selection.split, training_split, join(found, "; "), selection.split, join(keys, ", ")));
}

}  // namespace

void require_disjoint(std::vector<ChosenFacts> const& splits, std::vector<std::string> const& training_splits) {
  auto const is_trained_on = [&](ChosenFacts const& chosen) {
    return std::find(training_splits.begin(), training_splits.end(), chosen.selection.split) != training_splits.end();
  };
  for (auto const& training : splits) {
    if (!is_trained_on(training)) continue;
    TrainingFactIndex index;
    for (auto const& fact : training.facts) index.add(fact);
    bool is_later = false;
    for (auto const& chosen : splits) {
      if (&chosen == &training) {
        is_later = true;
      } else if (is_later || !is_trained_on(chosen)) {
        require_disjoint(chosen, index, training.selection.split);
      }
    }
  }
}

}  // namespace onemask
