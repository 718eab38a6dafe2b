#include "plan/plan_of.hpp"
#include "support/tiny_study.hpp"
#include <onemask/plan/task_list.hpp>

#include <set>

#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

class TaskListTest : public StudyFolder {
 protected:
  void make(StudyOverrides const& overrides, Stage last = Stage::gather, std::vector<TextPiece> const& text = {}) {
    study_ = read(overrides);
    plan_ = plan_of(study_, text);
    TaskRates rates;
    rates.seconds.fill(2);
    list_ = make_task_list(plan_, study_, rates, last);
  }
  /// Tasks of a kind, in order.
  std::vector<std::size_t> of(TaskKind kind) const {
    std::vector<std::size_t> tasks;
    for (std::size_t t = 0; t < list_.planned.size(); ++t) {
      if (!list_.graph.is_join(t) && list_.planned[t].kind == kind) tasks.push_back(t);
    }
    return tasks;
  }
  /// Everything but gates that a task waits for, directly or through gates.
  std::set<std::size_t> before(std::size_t task) const {
    std::set<std::size_t> result;
    for (auto t : list_.graph.tasks[task].after) {
      auto const more = list_.graph.is_join(t) ? before(t) : std::set<std::size_t>{t};
      result.insert(more.begin(), more.end());
    }
    return result;
  }

  Study study_;
  Plan plan_;
  TaskList list_;
};

TEST_F(TaskListTest, MasksWaitForTheEditsOfTheirTrainingFactsAlone) {
  make({{"edit.batch=5", "evaluation.batch=5"}, {}, {}});
  auto const edits = of(TaskKind::edit), masks = of(TaskKind::mask);
  ASSERT_EQ(edits.size(), 5U);  // four of training facts, one of the held-out ones
  ASSERT_EQ(masks.size(), 1U);
  EXPECT_EQ(before(masks[0]), (std::set<std::size_t>{edits[0], edits[1], edits[2], edits[3]}));
  EXPECT_EQ(list_.graph.tasks[masks[0]].parts, 2U);  // 18 facts in micro-batches of 10
}

TEST_F(TaskListTest, EveryMaskOfSomeTrainingFactsIsTrainedAndScored) {
  make({{"mask.validation_share=0.34", "mask.train_relations=P1", "evaluation.batch=5"}, {"mask.train_per_relation=2..10"}, {}});
  EXPECT_EQ(of(TaskKind::mask).size(), 9U);
  EXPECT_EQ(of(TaskKind::evaluation).size(), plan_.evaluations.size());
}

TEST_F(TaskListTest, ScoresWaitForTheirFactsAndTheirMask) {
  make({{"edit.batch=10", "evaluation.batch=5"}, {"mask.seed=0..1"}, {}});
  auto const edits = of(TaskKind::edit), masks = of(TaskKind::mask), scores = of(TaskKind::evaluation);
  ASSERT_EQ(scores.size(), 15U);
  EXPECT_EQ(before(scores[0]), (std::set<std::size_t>{edits[0]}));
  EXPECT_EQ(before(scores[4]), (std::set<std::size_t>{edits[2]}));
  EXPECT_EQ(before(scores[5]), (std::set<std::size_t>{edits[0], masks[0]}));
  EXPECT_EQ(before(scores[14]), (std::set<std::size_t>{edits[2], masks[1]}));
  // The same facts are in one affinity.
  auto const affinity = [&](std::size_t i) { return list_.graph.tasks[scores[i]].affinity; };
  EXPECT_EQ(affinity(0), affinity(5));
  EXPECT_EQ(affinity(0), affinity(10));
  EXPECT_NE(affinity(0), affinity(1));
  EXPECT_NE(affinity(0), 0U);
}

TEST_F(TaskListTest, SeedsWeightsAndThresholdsShareOneSetOfEdits) {
  make({{"edit.batch=5", "evaluation.batch=25"},
        {"mask.seed=0..31", "mask.sparsity_weight1=10,20,30,40,50", "mask.threshold=0.5,0.7,0.9"},
        {}});
  EXPECT_EQ(plan_.masks.size(), 480U);
  EXPECT_EQ(of(TaskKind::edit).size(), 5U);
  EXPECT_EQ(of(TaskKind::mask).size(), 160U);        // a threshold is applied to the trained mask
  EXPECT_EQ(of(TaskKind::evaluation).size(), 481U);  // but scored
}

TEST_F(TaskListTest, AConsensusWaitsForItsMasks) {
  make({{"evaluation.batch=25", "mask.zeros=[0.1, 0.2]", "evaluation.consensus=true"}, {"mask.seed=0..2"}, {}});
  auto const masks = of(TaskKind::mask), scores = of(TaskKind::evaluation);
  ASSERT_EQ(masks.size(), 4U);  // three trainings and their mean
  EXPECT_EQ(before(masks[3]), (std::set<std::size_t>{masks[0], masks[1], masks[2]}));
  EXPECT_EQ(list_.graph.tasks[masks[3]].parts, 1U);
  EXPECT_EQ(list_.graph.tasks[masks[3]].seconds, 2);
  ASSERT_EQ(scores.size(), 9U);
  EXPECT_TRUE(before(scores.back()).contains(masks[3]));
  EXPECT_FALSE(before(scores[6]).contains(masks[3]));
}

TEST_F(TaskListTest, EqualTasksAreOne) {
  make({{"evaluation.batch=25"}, {"mask.checkpoint_every=1,2"}, {}});  // decides no bits
  EXPECT_EQ(plan_.masks.size(), 2U);
  EXPECT_EQ(of(TaskKind::mask).size(), 1U);
  EXPECT_EQ(of(TaskKind::evaluation).size(), 2U);
}

TEST_F(TaskListTest, BatchEditsWaitForValuesAndMoments) {
  make({{"edit.method=memit", "edit.layers=[0, 1]", "edit.batch=10", "moments.text=corpus.txt"}, {}, {}});
  auto const moments = of(TaskKind::moments), values = of(TaskKind::edit), solves = of(TaskKind::batch_edit);
  ASSERT_EQ(moments.size(), 1U);  // all layers in one pass
  EXPECT_EQ(objects_of(plan_, list_.planned[moments[0]]).size(), 2U);
  ASSERT_EQ(solves.size(), 2U);
  ASSERT_EQ(values.size(), 3U);
  EXPECT_TRUE(before(values[0]).empty());
  EXPECT_EQ(before(solves[0]), (std::set<std::size_t>{moments[0], values[0], values[1]}));
  EXPECT_EQ(before(of(TaskKind::mask)[0]), (std::set<std::size_t>{solves[0]}));
}

TEST_F(TaskListTest, ASequenceOfBatchesIsAChain) {
  make({{"edit.method=memit", "edit.layers=[0, 1]", "edit.batch=10", "edit.facts_per_model=10", "edit.sequential=true",
         "moments.text=corpus.txt"},
        {},
        {}});
  auto const values = of(TaskKind::edit), solves = of(TaskKind::batch_edit);
  // Two batches of training facts one after the other, one of held-out facts beside them.
  ASSERT_EQ(solves.size(), 3U);
  std::vector<std::size_t> training;
  for (auto solve : solves) {
    if (plan_.solves[list_.planned[solve].index].facts.front() < 20) training.push_back(solve);
  }
  ASSERT_EQ(training.size(), 2U);
  EXPECT_TRUE(before(training[1]).contains(training[0]));
  bool const searched_in_the_edited_model =
      std::any_of(values.begin(), values.end(), [&](auto v) { return before(v) == std::set<std::size_t>{training[0]}; });
  EXPECT_TRUE(searched_in_the_edited_model);
  EXPECT_EQ(before(of(TaskKind::mask)[0]), (std::set<std::size_t>{training[1]}));
}

TEST_F(TaskListTest, StagesEndWhereTheyAreAskedTo) {
  make({}, Stage::edit);
  EXPECT_EQ(of(TaskKind::mask).size() + of(TaskKind::evaluation).size(), 0U);
  make({}, Stage::mask);
  EXPECT_EQ(of(TaskKind::mask).size(), 1U);
  EXPECT_EQ(of(TaskKind::evaluation).size(), 0U);
}

TEST_F(TaskListTest, PerplexityWaitsForItsMask) {
  make({}, Stage::gather, {{"piece", 100}, {"other", 50}});
  auto const tasks = of(TaskKind::perplexity);
  ASSERT_EQ(tasks.size(), 4U);  // the original, and it under the mask
  EXPECT_TRUE(before(tasks[0]).empty());
  EXPECT_EQ(before(tasks[2]), (std::set<std::size_t>{of(TaskKind::mask)[0]}));
  EXPECT_EQ(list_.graph.tasks[tasks[0]].affinity, list_.graph.tasks[tasks[1]].affinity);
}

TEST_F(TaskListTest, TimeGrowsWithTheWork) {
  make({{"edit.batch=10", "evaluation.batch=25", "mask.epochs=7"}, {}, {}});
  auto const seconds = [&](TaskKind kind) { return list_.graph.tasks[of(kind).front()].seconds; };
  EXPECT_EQ(seconds(TaskKind::edit), 2.0 * 10 * 5);  // two seconds a unit, five steps a fact
  EXPECT_EQ(seconds(TaskKind::mask), 2.0 * 18 * 7);
}

TEST_F(TaskListTest, IdsTellTasksApartAndNameTheirKind) {
  make({{"edit.batch=5", "evaluation.batch=5"}, {"mask.seed=0..1", "edit.v_lr=0.5,1"}, {}}, Stage::gather, {{"piece", 100}});
  std::set<std::string> ids;
  for (std::size_t t = 0; t < list_.planned.size(); ++t) {
    if (list_.graph.is_join(t)) continue;
    auto const id = task_id(plan_, list_.planned[t]);
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_EQ(kind_of_id(id), list_.planned[t].kind) << id;
  }
  EXPECT_THROW(static_cast<void>(kind_of_id("cake/1")), std::out_of_range);
}

}  // namespace
}  // namespace onemask::test
