#include "plan/plan_of.hpp"
#include "support/tiny_study.hpp"
#include <onemask/plan/task_list.hpp>

#include <algorithm>
#include <set>

#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class AnalysisPlan : public StudyFolder {
 protected:
  static inline std::string const with_analysis = study_text + "analysis: {}\n";
  static inline StudyOverrides const in_threes{{"evaluation.batch=3", "mask.validation_share=0"}, {}, {}};

  Plan plan(StudyOverrides const& overrides = in_threes, std::string const& text = with_analysis) {
    write_study(text);
    study_ = read(overrides);
    return plan_of(study_);
  }
  static StudyOverrides with_set(std::vector<std::string> const& more) {
    auto overrides = in_threes;
    overrides.set.insert(overrides.set.end(), more.begin(), more.end());
    return overrides;
  }
  static std::vector<std::size_t> facts_without_mask(Plan const& plan) {
    std::vector<std::size_t> facts;
    for (auto const& task : plan.analyses) {
      if (task.mask < 0) facts.insert(facts.end(), task.facts.begin(), task.facts.end());
    }
    return facts;
  }

  Study study_;
};

TEST_F(AnalysisPlan, HeldOutFactsInUnitsWithoutAndUnderTheMask) {
  auto const planned = plan();
  ASSERT_EQ(planned.analyses.size(), 2U * 2);
  EXPECT_EQ(planned.analyses[0].facts, (std::vector<std::size_t>{20, 21, 22}));
  EXPECT_THAT(planned.analyses[0].models(), ElementsAre(ConditionKind::original, ConditionKind::edited));
  EXPECT_EQ(planned.analyses[3].facts, (std::vector<std::size_t>{23, 24}));
  EXPECT_THAT(planned.analyses[3].models(), ElementsAre(ConditionKind::mask, ConditionKind::original_masked));
  EXPECT_EQ(planned.tasks(), planned.edits.size() + planned.masks.size() + planned.evaluations.size() + 4);
  EXPECT_EQ(plan(with_set({"mask=none"})).analyses.size(), 2U);
  EXPECT_EQ(plan(with_set({"analysis=none"})).analyses.size(), 0U);
}

TEST_F(AnalysisPlan, StudiesWithoutTheSectionKeepTheirNames) {
  auto const without = plan(in_threes, study_text), with_it = plan();
  EXPECT_TRUE(without.analyses.empty());
  EXPECT_NE(without.id, with_it.id);
  ASSERT_EQ(without.evaluations.size(), with_it.evaluations.size());
  for (std::size_t t = 0; t < without.evaluations.size(); ++t) EXPECT_EQ(without.evaluations[t].key, with_it.evaluations[t].key);
}

TEST_F(AnalysisPlan, NamesHoldWhatDecidesTheNumbers) {
  auto const base = plan().analyses;
  for (auto const* other :
       {"analysis.places=[last]", "analysis.contributions=false", "analysis.heads=true", "analysis.sources=true",
        "analysis.inner_units=5", "analysis.attention=false", "analysis.traces=false", "analysis.dimensions=2",
        "analysis.maps=mean", "edit.v_lr=0.25", "peer_compatible=true", "evaluation.batch=2"}) {
    auto const found = plan(with_set({other})).analyses;
    EXPECT_NE(found.front().key, base.front().key) << other;
    EXPECT_NE(found.back().key, base.back().key) << other;
  }
  for (auto const* other : {"mask.threshold=0.4", "mask.epochs=7", "mask.seed=3"}) {
    auto const found = plan(with_set({other})).analyses;
    EXPECT_EQ(found.front().key, base.front().key) << other;
    EXPECT_NE(found.back().key, base.back().key) << other;
  }
  // How many units are shown is read off the same numbers.
  EXPECT_EQ(plan(with_set({"analysis.inner_units=5"})).analyses.front().key,
            plan(with_set({"analysis.inner_units=7"})).analyses.front().key);
}

TEST_F(AnalysisPlan, SomeFactsAreDrawnWhateverTheyAre) {
  auto const drawn = facts_without_mask(plan(with_set({"analysis.split=train", "analysis.facts=6"})));
  ASSERT_EQ(drawn.size(), 6U);
  EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
  EXPECT_LT(drawn.back(), 20U);
  EXPECT_NE(drawn, (std::vector<std::size_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(facts_without_mask(plan(with_set({"analysis.split=train", "analysis.facts=6", "edit.v_lr=0.1"}))), drawn);
  EXPECT_EQ(facts_without_mask(plan(with_set({"analysis.facts=99"}))).size(), 5U);
}

TEST_F(AnalysisPlan, TasksWaitForEditsAndMask) {
  auto const planned = plan();
  TaskRates rates;
  rates.seconds.fill(2);
  auto const list = make_task_list(planned, study_, rates, Stage::gather);
  std::size_t mask = 0, found = 0;
  std::set<std::string> ids;
  std::vector<std::uint32_t> affinities;
  for (std::size_t t = 0; t < list.planned.size(); ++t) {
    if (list.graph.is_join(t)) continue;
    auto const& task = list.graph.tasks[t];
    if (list.planned[t].kind == TaskKind::mask) mask = t;
    if (list.planned[t].kind != TaskKind::analysis) continue;
    auto const& own = planned.analyses[list.planned[t].index];
    bool const waits_for_mask = std::find(task.after.begin(), task.after.end(), mask) != task.after.end();
    EXPECT_EQ(waits_for_mask, own.mask >= 0);
    EXPECT_EQ(task.seconds, 2.0 * static_cast<double>(own.facts.size()) * 2);
    affinities.push_back(task.affinity);
    auto const id = task_id(planned, list.planned[t]);
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_EQ(kind_of_id(id), TaskKind::analysis);
    ++found;
  }
  ASSERT_EQ(found, 4U);
  EXPECT_EQ(affinities[0], affinities[2]);  // the same facts
  EXPECT_NE(affinities[0], affinities[1]);
  EXPECT_NE(affinities[0], 0U);
}

TEST_F(AnalysisPlan, FactsThatAMaskIsNotScoredOnAreLeftOut) {
  auto const planned = plan(with_set({"analysis.split=train", "mask.train_relations=P1"}));
  std::vector<std::size_t> facts;
  for (auto const& task : planned.analyses) {
    if (task.mask >= 0) facts.insert(facts.end(), task.facts.begin(), task.facts.end());
  }
  EXPECT_THAT(facts, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(AnalysisPlan, WhatIsRefused) {
  write_study(with_analysis);
  auto const refused = [&](std::vector<std::string> const& set) { return complaint({set, {}, {}}); };
  EXPECT_THAT(refused({"analysis.split=ood"}),
              HasSubstr("'analysis.split' is 'ood', but 'facts' has no such split. It has: train, heldout."));
  EXPECT_THAT(refused({"analysis.places=[]"}), HasSubstr("must name at least one of last, subject_last"));
  EXPECT_THAT(refused({"analysis.place=last"}), HasSubstr("Did you mean 'places'?"));
  EXPECT_THAT(refused({"analysis.maps=all"}), HasSubstr("known are none, mean, facts"));
  EXPECT_THAT(refused({"analysis.contributions=false", "analysis.sources=true"}), HasSubstr("is a part of 'contributions'"));
  EXPECT_THAT(refused({"analysis.contributions=false", "analysis.attention=false", "analysis.heads=true"}),
              HasSubstr("turn one of them on"));
  EXPECT_THAT(
      refused({"analysis.contributions=false", "analysis.attention=false", "analysis.traces=false", "analysis.dimensions=0"}),
      HasSubstr("asks for nothing"));
  EXPECT_THAT(refused({"mask=none", "analysis.dimensions=3"}), HasSubstr("the study trains none"));
  EXPECT_EQ(refused({"mask=none"}), "");
}

}  // namespace
}  // namespace onemask::test
