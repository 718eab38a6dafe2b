#include "plan/plan_of.hpp"
#include "support/tiny_study.hpp"
#include <onemask/plan/task_list.hpp>

#include <algorithm>
#include <set>

#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;

class InjectionPlan : public StudyFolder {
 protected:
  static inline std::string const with_section = study_text + "inject: {}\n";
  static inline StudyOverrides const small_units{{"edit.batch=3", "mask.validation_share=0"}, {}, {}};

  Plan plan(StudyOverrides const& overrides = small_units, std::string const& text = with_section) {
    write_study(text);
    study_ = read(overrides);
    return plan_of(study_);
  }
  static StudyOverrides with(std::vector<std::string> const& more) {
    auto overrides = small_units;
    overrides.set.insert(overrides.set.end(), more.begin(), more.end());
    return overrides;
  }
  static std::set<std::string> edit_objects(Plan const& plan) {
    std::set<std::string> keys;
    for (auto const& task : plan.injections) {
      if (!task.makes_edits()) continue;
      keys.insert(task.edits.begin(), task.edits.end());
      keys.insert(task.adaptive_edits.begin(), task.adaptive_edits.end());
    }
    return keys;
  }

  Study study_;
};

TEST_F(InjectionPlan, EveryMaskHasTheHeldOutFactsInUnits) {
  auto const planned = plan();
  // Five facts in two units: without a mask and under four.
  ASSERT_EQ(planned.injections.size(), 2U * 5);
  auto const& without = planned.injections.front();
  EXPECT_FALSE(without.makes_edits());
  EXPECT_EQ(without.facts, (std::vector<std::size_t>{20, 21, 22}));
  EXPECT_THAT(without.variants, ElementsAre(InjectionVariant::unedited, InjectionVariant::edit));
  EXPECT_EQ(without.edits.front(), planned.sets[0].keys[20]);
  auto const& last = planned.injections.back();
  EXPECT_EQ(last.under.kind, ConditionKind::delta_magnitude);
  EXPECT_EQ(last.facts, (std::vector<std::size_t>{23, 24}));
  EXPECT_EQ(last.variants.size(), 4U);
  EXPECT_EQ(edit_objects(planned).size(), 4U * 2 * 5);
  EXPECT_EQ(planned.tasks(), planned.edits.size() + planned.masks.size() + planned.evaluations.size() + 8 + 10);
}

TEST_F(InjectionPlan, StudiesWithoutTheSectionKeepTheirNames) {
  auto const without = plan(small_units, study_text), with_it = plan();
  EXPECT_TRUE(without.injections.empty());
  EXPECT_NE(without.id, with_it.id);
  ASSERT_EQ(without.evaluations.size(), with_it.evaluations.size());
  for (std::size_t t = 0; t < without.evaluations.size(); ++t) EXPECT_EQ(without.evaluations[t].key, with_it.evaluations[t].key);
}

TEST_F(InjectionPlan, NamesHoldWhatDecidesAnEdit) {
  auto const base = edit_objects(plan());
  for (auto const* other : {"mask.threshold=0.5", "mask.epochs=7", "mask.seed=3", "edit.v_lr=0.25", "edit.batch=2"})
    EXPECT_FALSE(edit_objects(plan(with({other}))).contains(*base.begin())) << other;
  // Fewer masks and variants ask for a part of the same edits.
  auto const fewer = edit_objects(plan(with({"inject.masks=[trained]", "inject.variants=[adaptive]"})));
  EXPECT_EQ(fewer.size(), 5U);
  EXPECT_TRUE(std::includes(base.begin(), base.end(), fewer.begin(), fewer.end()));
}

TEST_F(InjectionPlan, ScoresAreNamedByTheirVariantsAndObjects) {
  auto const base = plan().injections.back();
  EXPECT_NE(plan(with({"inject.variants=[inject, adaptive]"})).injections.back().key, base.key);
  EXPECT_NE(plan(with({"peer_compatible=true"})).injections.back().key, base.key);
}

TEST_F(InjectionPlan, TasksWaitForTheirMaskAndASequenceForItself) {
  auto const planned = plan(with({"inject.masks=[trained]", "inject.sequential=true", "inject.variants=[inject]"}));
  ASSERT_EQ(planned.injections.size(), 2U * 4);
  TaskRates rates;
  rates.seconds.fill(2);
  auto const list = make_task_list(planned, study_, rates, Stage::gather);
  std::vector<std::vector<std::size_t>> waits(8), scores(8);  // by task of the plan: of its edits, of its scores
  std::vector<std::size_t> made(8);
  std::size_t mask = 0;
  for (std::size_t t = 0; t < list.planned.size(); ++t) {
    if (list.graph.is_join(t)) continue;
    auto const [kind, index] = list.planned[t];
    auto const& after = list.graph.tasks[t].after;
    if (kind == TaskKind::mask) mask = t;
    if (kind == TaskKind::masked_edit) waits[index].assign(after.begin(), after.end()), made[index] = t;
    if (kind == TaskKind::injection) scores[index].assign(after.begin(), after.end());
  }
  // Without a mask, and its sequence; under the mask, and its sequence.
  EXPECT_EQ(made[0], 0U);
  EXPECT_TRUE(waits[2].empty());
  EXPECT_THAT(waits[3], ElementsAre(made[2]));
  EXPECT_THAT(waits[4], ElementsAre(mask));
  EXPECT_THAT(waits[5], ElementsAre(mask));
  EXPECT_THAT(waits[6], ElementsAre(mask));
  EXPECT_THAT(waits[7], ElementsAre(mask, made[6]));
  for (std::size_t t = 2; t < 8; ++t) EXPECT_THAT(scores[t], ElementsAre(made[t])) << t;
  EXPECT_EQ(list.graph.tasks[made[4]].seconds, 2.0 * 3 * 5);  // facts and steps
  std::set<std::string> ids;
  for (std::uint32_t t = 0; t < 8; ++t) {
    for (auto const kind : {TaskKind::masked_edit, TaskKind::injection}) {
      auto const id = task_id(planned, {kind, t});
      EXPECT_TRUE(ids.insert(id).second) << id;
      EXPECT_EQ(kind_of_id(id), kind) << id;
    }
  }
}

TEST_F(InjectionPlan, EqualMasksShareTheirTasks) {
  auto overrides = small_units;
  overrides.sweep = {"mask.checkpoint_every=1,2"};  // decides no bits
  auto const planned = plan(overrides);
  ASSERT_EQ(planned.injections.size(), 2U * 9);
  auto const list = make_task_list(planned, study_, {}, Stage::gather);
  auto const count = [&](TaskKind kind) {
    std::size_t tasks = 0;
    for (std::size_t t = 0; t < list.planned.size(); ++t) tasks += !list.graph.is_join(t) && list.planned[t].kind == kind;
    return tasks;
  };
  EXPECT_EQ(count(TaskKind::masked_edit), 8U);
  EXPECT_EQ(count(TaskKind::injection), 10U);
}

TEST_F(InjectionPlan, FactsThatAMaskIsNotScoredOnAreNotEditedUnderIt) {
  auto const planned = plan(with({"inject.split=train", "mask.train_relations=P1", "inject.masks=[trained]"}));
  std::vector<std::size_t> facts;
  for (auto const& task : planned.injections) {
    if (task.under.mask >= 0) facts.insert(facts.end(), task.facts.begin(), task.facts.end());
  }
  EXPECT_THAT(facts, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

/// MEMIT over two layers, its masks of the upper one, and models of four facts.
StudyOverrides memit(std::vector<std::string> const& more = {}) {
  StudyOverrides overrides{{"edit.method=memit", "edit.layers=[0,1]", "edit.batch=3", "edit.facts_per_model=4",
                            "moments.text=corpus.txt", "mask.validation_share=0"},
                           {},
                           {}};
  overrides.set.insert(overrides.set.end(), more.begin(), more.end());
  return overrides;
}

TEST_F(InjectionPlan, FactsThatShareAModelShareOneUnderTheMask) {
  auto const planned = plan(memit({"inject.masks=[trained, random]"}));
  // Five held-out facts in models of four and one; their values are searched for in units of three and two.
  ASSERT_EQ(planned.masked_values.size(), 2U * 2);
  EXPECT_EQ(planned.masked_values[0].facts, (std::vector<std::size_t>{20, 21, 22}));
  ASSERT_EQ(planned.masked_solves.size(), 2U * 2 * 2);
  for (auto const& solve : planned.masked_solves) {
    auto const is_alike = [&](auto const& other) { return other.facts == solve.facts; };
    auto const without = std::find_if(planned.solves.begin(), planned.solves.end(), is_alike);
    ASSERT_NE(without, planned.solves.end());
    EXPECT_EQ(solve.values.size(), without->values.size());
  }
  // The models of four are scored in units of three and one, without a mask and under two.
  ASSERT_EQ(planned.injections.size(), 3U * 3);
  auto const& without = planned.injections[0];
  EXPECT_FALSE(without.makes_edits());
  EXPECT_THAT(without.edits, ElementsAre(planned.sets[0].keys[20]));
  EXPECT_THAT(without.variants, ElementsAre(InjectionVariant::unedited, InjectionVariant::edit));
  auto const& under = planned.injections[3];
  EXPECT_EQ(under.facts, (std::vector<std::size_t>{20, 21, 22}));
  EXPECT_FALSE(under.makes_edits());
  EXPECT_THAT(under.edits, ElementsAre(planned.masked_solves[0].key));
  EXPECT_THAT(under.adaptive_edits, ElementsAre(planned.masked_solves[1].key));
  EXPECT_TRUE(planned.masked_solves[1].adaptive);
  std::set<std::string> keys;
  for (auto const& task : planned.injections) keys.insert(task.key);
  for (auto const& task : planned.masked_values) keys.insert(task.key);
  for (auto const& task : planned.masked_solves) keys.insert(task.key);
  EXPECT_EQ(keys.size(), 9U + 4 + 8);
  EXPECT_EQ(planned.tasks(), planned.edits.size() + planned.solves.size() + planned.moments.size() + planned.masks.size() +
                                 planned.evaluations.size() + keys.size());
}

TEST_F(InjectionPlan, WhatModelsUnderAMaskWaitFor) {
  auto const planned = plan(memit({"inject.masks=[trained]", "inject.variants=[adaptive]"}));
  auto const list = make_task_list(planned, study_, {}, Stage::gather);
  std::set<std::string> ids;
  for (std::size_t t = 0; t < list.planned.size(); ++t) {
    if (list.graph.is_join(t)) continue;
    auto const [kind, index] = list.planned[t];
    std::vector<TaskKind> before;
    for (auto const task : list.graph.tasks[t].after) before.push_back(list.planned[task].kind);
    if (kind == TaskKind::masked_values) {
      EXPECT_THAT(before, ElementsAre(TaskKind::mask));
    } else if (kind == TaskKind::masked_solve) {
      EXPECT_THAT(before, testing::Contains(TaskKind::masked_values));
      EXPECT_THAT(before, testing::Contains(TaskKind::moments));
    } else if (kind == TaskKind::injection) {
      EXPECT_THAT(before, ElementsAre(planned.injections[index].under.mask < 0 ? TaskKind::batch_edit : TaskKind::masked_solve));
    }
    auto const id = task_id(planned, {kind, index});
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_EQ(kind_of_id(id), kind) << id;
  }
}

TEST_F(InjectionPlan, NamesHoldWhatDecidesAModelUnderAMask) {
  auto const names = [](Plan const& plan) {
    std::set<std::string> keys;
    for (auto const& task : plan.masked_values) keys.insert("values " + task.key);
    for (auto const& task : plan.masked_solves) keys.insert((task.adaptive ? "adaptive " : "usual ") + task.key);
    return keys;
  };
  auto const base = names(plan(memit()));
  auto const shared = [&](std::vector<std::string> const& more) {
    std::set<std::string> kinds;
    for (auto const& key : names(plan(memit(more)))) {
      if (base.contains(key)) kinds.insert(key.substr(0, key.find(' ')));
    }
    return kinds;
  };
  EXPECT_THAT(shared({"mask.threshold=0.5"}), testing::IsEmpty());
  EXPECT_THAT(shared({"mask.seed=3"}), testing::IsEmpty());
  EXPECT_THAT(shared({"edit.v_lr=0.25"}), testing::IsEmpty());
  EXPECT_THAT(shared({"inject.variants=[off]"}), ElementsAre("usual", "values"));
  EXPECT_THAT(shared({"inject.masks=[random]"}), ElementsAre("adaptive", "usual", "values"));
}

/// The others are in the same models, but are not scored.
TEST_F(InjectionPlan, ModelsHoldFactsThatAMaskIsNotScoredOn) {
  auto const planned =
      plan(memit({"inject.split=train", "mask.train_relations=P1", "inject.masks=[trained]", "edit.facts_per_model=12"}));
  std::set<std::size_t> scored, edited;
  for (auto const& task : planned.injections) {
    if (task.under.mask >= 0) scored.insert(task.facts.begin(), task.facts.end());
  }
  for (auto const& task : planned.masked_solves) edited.insert(task.facts.begin(), task.facts.end());
  EXPECT_EQ(scored, (std::set<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(edited.size(), 12U);
}

TEST_F(InjectionPlan, WhatIsRefused) {
  using testing::HasSubstr;
  write_study(with_section);
  EXPECT_THAT(complaint({{"inject.split=ood"}, {}, {}}),
              HasSubstr("'inject.split' is 'ood', but 'facts' has no such split. It has: train, heldout."));
  EXPECT_EQ(complaint({{"inject=none", "mask=none"}, {}, {}}), "");
  EXPECT_THAT(complaint({{"mask=none"}, {}, {}}), HasSubstr("'inject' edits facts under trained masks"));
  EXPECT_THAT(complaint({{"inject.masks=[]"}, {}, {}}), HasSubstr("must name at least one of trained, random"));
  EXPECT_THAT(complaint({{"inject.variants=[edit]"}, {}, {}}), HasSubstr("'edit'; known are inject, off, adaptive"));
  EXPECT_THAT(complaint({{"inject.mask=trained"}, {}, {}}), HasSubstr("Did you mean 'masks'?"));
  auto const refused = [&](std::vector<std::string> const& more) { return complaint(memit(more)); };
  EXPECT_EQ(refused({}), "");
  EXPECT_EQ(refused({"edit.method=emmet", "inject.variants=[inject, off]"}), "");
  EXPECT_THAT(refused({"edit.method=emmet"}), HasSubstr("but not for emmet. Choose among inject and off"));
  EXPECT_THAT(refused({"edit.method=alphaedit"}), HasSubstr("but not for alphaedit"));
  EXPECT_THAT(refused({"inject.sequential=true"}), HasSubstr("but memit writes many into a model at once"));
  EXPECT_THAT(refused({"edit.sequential=true"}), HasSubstr("but 'edit.sequential' writes them into one after the other"));
  EXPECT_THAT(complaint({{"edit.method=ft-l"}, {}, {}}), HasSubstr("the study trains masks for ft-l"));
  StudyOverrides unmasked;
  unmasked.masks = false;
  EXPECT_EQ(complaint(unmasked), "");
}

}  // namespace
}  // namespace onemask::test
