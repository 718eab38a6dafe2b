#include "data/records.hpp"
#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/random.hpp>
#include <onemask/data/candidates.hpp>

#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

FactSelection known_selection() {
  FactSelection selection;
  selection.split = "train";
  selection.files = {"facts.json"};
  selection.known = KnownTest::two_way;
  return selection;
}

/// case_id 0 … 11, of P1 and P2 in turn.
Candidates twelve(FactSelection const& selection) {
  Candidates candidates{selection, {}, {}};
  for (int id = 0; id < 12; ++id) {
    Fact fact;
    fact.case_id = id;
    fact.relation = id % 2 == 0 ? "P1" : "P2";
    fact.subject = "S" + std::to_string(id);
    candidates.facts.push_back(fact);
    candidates.knowledge.push_back(Knowledge::unscored);
  }
  return candidates;
}

std::vector<std::int64_t> ids_of(std::vector<Fact> const& facts) {
  std::vector<std::int64_t> ids;
  for (auto const& fact : facts) ids.push_back(fact.case_id);
  return ids;
}

/// The selection by its definition, where all that the model knows is told.
std::vector<std::int64_t> by_definition(Candidates const& candidates, std::vector<bool> const& knows) {
  auto const& selection = candidates.selection;
  auto const offset = selection.offset_per_relation.value_or(0);
  std::map<std::string, std::size_t> seen;
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < candidates.facts.size(); ++i) {
    if (!knows[i]) continue;
    auto const place = seen[candidates.facts[i].relation]++;
    if (place >= offset && (!selection.per_relation || place < offset + *selection.per_relation))
      ids.push_back(candidates.facts[i].case_id);
  }
  if (selection.limit && ids.size() > *selection.limit) ids.resize(*selection.limit);
  return ids;
}

TEST(Candidates, OnlyThoseThatMayBeInTheSplitAreAskedFor) {
  auto selection = known_selection();
  selection.offset_per_relation = 1;
  selection.per_relation = 2;
  auto candidates = twelve(selection);
  EXPECT_THAT(undecided(candidates), ElementsAre(0, 1, 2, 3, 4, 5));
  for (std::size_t i = 0; i < 6; ++i) candidates.knowledge[i] = Knowledge::known;
  EXPECT_THAT(undecided(candidates), IsEmpty());
  candidates.knowledge[2] = Knowledge::unknown;
  EXPECT_THAT(undecided(candidates), ElementsAre(6));
  candidates.knowledge[6] = Knowledge::known;
  EXPECT_THAT(undecided(candidates), IsEmpty());
  auto const chosen = choose_facts(candidates);
  EXPECT_THAT(ids_of(chosen.facts), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(chosen.counts, ElementsAre(KnownCount{"train", "all", 12, 7, 6, 0}, KnownCount{"train", "P1", 6, 4, 3, 0},
                                         KnownCount{"train", "P2", 6, 3, 3, 0}));
  EXPECT_EQ(sentence_of(chosen.counts.front()),
            "Split 'train': the model knows 6 of the 7 facts that were scored, of 12; the split has 0 of them.");
}

TEST(Candidates, ALimitEndsTheQuestions) {
  auto selection = known_selection();
  selection.limit = 3;
  auto candidates = twelve(selection);
  EXPECT_THAT(undecided(candidates), ElementsAre(0, 1, 2));
  candidates.knowledge[1] = Knowledge::unknown;
  EXPECT_THAT(undecided(candidates), ElementsAre(0, 2, 3));
}

TEST(Candidates, NothingIsAskedWithoutATest) {
  auto selection = known_selection();
  selection.known = KnownTest::none;
  test::TemporaryFolder const folder;
  test::write_records(folder / "facts.json", {test::record(1, "P1", "A"), test::record(2, "P2", "B")});
  auto const candidates = read_candidates(selection, folder.path());
  EXPECT_THAT(undecided(candidates), IsEmpty());
  EXPECT_THAT(choose_facts(candidates).counts, IsEmpty());
  EXPECT_THAT(undecided(read_candidates(known_selection(), folder.path())), ElementsAre(0, 1));
}

TEST(Candidates, TheSplitIsThatOfTheDefinitionHoweverLittleIsScored) {
  RandomStream random({7, 1});
  std::size_t compared = 0;
  for (int trial = 0; trial < 400; ++trial) {
    auto selection = known_selection();
    if (random.below(3) > 0) selection.per_relation = 1 + random.below(3);
    if (random.below(2) > 0) selection.offset_per_relation = random.below(2);
    if (random.below(2) > 0) selection.limit = 1 + random.below(8);
    auto candidates = twelve(selection);
    std::vector<bool> knows;
    for (std::size_t i = 0; i < 12; ++i) knows.push_back(random.below(4) > 0);
    auto const unit = 1 + random.below(4);  // neighbours that are scored together
    for (auto places = undecided(candidates); !places.empty(); places = undecided(candidates)) {
      for (auto const place : places) {
        for (auto i = place / unit * unit; i < std::min<std::size_t>(12, (place / unit + 1) * unit); ++i)
          candidates.knowledge[i] = knows[i] ? Knowledge::known : Knowledge::unknown;
      }
    }
    try {
      EXPECT_EQ(ids_of(choose_facts(candidates).facts), by_definition(candidates, knows)) << trial;
      ++compared;
    } catch (UserError const&) {
      // Too few of a relation are known.
      std::map<std::string, std::size_t> counts{{"P1", 0}, {"P2", 0}};
      for (std::size_t i = 0; i < 12; ++i) counts[candidates.facts[i].relation] += knows[i];
      auto const least = selection.offset_per_relation.value_or(0) + selection.per_relation.value_or(1);
      EXPECT_LT(std::min(counts["P1"], counts["P2"]), least) << trial;
    }
  }
  EXPECT_GT(compared, 300U);
}

TEST(Candidates, TooFewThatAreKnownAreCountedByRelation) {
  auto selection = known_selection();
  selection.per_relation = 4;
  auto candidates = twelve(selection);
  for (std::size_t i = 0; i < 12; ++i) candidates.knowledge[i] = i % 2 == 0 || i < 6 ? Knowledge::known : Knowledge::unknown;
  EXPECT_THAT(test::complaint_of([&] { choose_facts(candidates); }),
              AllOf(HasSubstr("split 'train'"), HasSubstr("4 facts that the model knows"),
                    HasSubstr("1 of 2 relations have fewer"), HasSubstr("P2 3 of 6"), Not(HasSubstr("P1"))));
  candidates.knowledge.assign(12, Knowledge::unknown);
  EXPECT_THAT(test::complaint_of([&] { choose_facts(candidates); }),
              AllOf(HasSubstr("knows none of its facts by the test 'two-way'"), HasSubstr("P1 0 of 6, P2 0 of 6")));
}

TEST(Candidates, FactsOfAnEarlierSplitDoNotCountAsTaken) {
  auto first = twelve(known_selection());
  first.knowledge.assign(12, Knowledge::unknown);
  first.knowledge[0] = first.knowledge[1] = Knowledge::known;
  auto second = twelve(known_selection());
  second.selection.split = "heldout";
  second.knowledge.assign(12, Knowledge::known);
  auto const selected = join_splits({choose_facts(first), choose_facts(second)});
  EXPECT_EQ(selected.facts.size(), 12U);
  EXPECT_THAT(selected.known[0], (KnownCount{"train", "all", 12, 12, 2, 2}));
  EXPECT_THAT(selected.known[3], (KnownCount{"heldout", "all", 12, 12, 12, 10}));
  EXPECT_THAT(selected.known[4], (KnownCount{"heldout", "P1", 6, 6, 6, 5}));
}

}  // namespace
}  // namespace onemask
