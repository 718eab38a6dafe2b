#include <onemask/schedule/scheduler.hpp>

#include <gmock/gmock.h>

namespace onemask {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;
using State = Scheduler::State;

/// Graphs of one kind of task.
class SchedulerTest : public testing::Test {
 protected:
  std::size_t task(double seconds, std::vector<std::uint32_t> after = {}, std::uint32_t affinity = 0) {
    graph_.tasks.push_back({0, seconds, 1, 0, affinity, std::move(after)});
    return graph_.tasks.size() - 1;
  }
  std::size_t shared_task(double seconds, std::uint32_t parts, std::vector<std::uint32_t> after = {}, std::uint32_t ranks = 0) {
    graph_.tasks.push_back({0, seconds, parts, ranks, 0, std::move(after)});
    return graph_.tasks.size() - 1;
  }
  /// With ranks 0 … on the given nodes.
  Scheduler scheduler(std::vector<int> const& nodes, std::vector<std::size_t> const& done = {}) {
    std::vector<bool> flags(graph_.tasks.size());
    for (auto t : done) flags[t] = true;
    Scheduler scheduler(graph_, flags);
    for (std::size_t r = 0; r < nodes.size(); ++r) scheduler.join(static_cast<int>(r), nodes[r]);
    return scheduler;
  }
  static std::vector<std::size_t> all_next(Scheduler& scheduler, double now = 0) {
    std::vector<std::size_t> tasks;
    while (auto const next = scheduler.next(now)) tasks.push_back(next->task);
    return tasks;
  }

  TaskGraph graph_{{"work"}, {}};
};

TEST_F(SchedulerTest, LongestWayToTheEndFirst) {
  auto const alone = task(5), first = task(1);
  task(7, {static_cast<std::uint32_t>(first)});
  task(2);
  auto s = scheduler({0, 0});

  EXPECT_THAT(all_next(s), ElementsAre(first, alone));
}

TEST_F(SchedulerTest, WaitsForWhatComesBefore) {
  auto const a = task(1), b = task(1);
  auto const gate = task(0, {0, 1});
  auto const last = task(1, {static_cast<std::uint32_t>(gate)});
  auto s = scheduler({0, 0});
  EXPECT_THAT(all_next(s), ElementsAre(a, b));

  s.finish(a, 1);
  EXPECT_THAT(all_next(s, 1), ElementsAre());
  s.finish(b, 1);
  EXPECT_EQ(s.state(gate), State::done);
  EXPECT_THAT(all_next(s, 1), ElementsAre(last));
  EXPECT_FALSE(s.over());
  s.finish(last, 2);
  EXPECT_TRUE(s.over());
}

TEST_F(SchedulerTest, WhatIsDoneIsNotDealtOut) {
  auto const a = task(1);
  auto const b = task(1, {0});
  auto s = scheduler({0}, {a});

  EXPECT_THAT(all_next(s), ElementsAre(b));
}

TEST_F(SchedulerTest, FailedTaskIsTriedElsewhereThenSetAsideWithAllThatWaitsForIt) {
  auto const bad = task(9);
  auto const follower = task(1, {0});
  auto const other = task(1);
  auto s = scheduler({0, 0});
  EXPECT_THAT(all_next(s), ElementsAre(bad, other));
  auto const first = s.running(bad)->ranks.front();

  EXPECT_FALSE(s.fail(bad, first));
  EXPECT_THAT(all_next(s), ElementsAre());  // not on this rank again while there is another
  s.finish(other, 1);
  auto again = s.next(1);
  ASSERT_TRUE(again);
  EXPECT_NE(again->ranks.front(), first);
  EXPECT_FALSE(s.fail(bad, again->ranks.front()));
  again = s.next(2);  // now all have failed
  ASSERT_TRUE(again);
  EXPECT_TRUE(s.fail(bad, again->ranks.front()));
  EXPECT_EQ(s.state(bad), State::failed);
  EXPECT_EQ(s.state(follower), State::failed);
  EXPECT_TRUE(s.over());
}

TEST_F(SchedulerTest, TaskOfALostRankComesBack) {
  auto const a = task(1);
  auto s = scheduler({0, 0});
  auto const start = s.next(0);
  ASSERT_TRUE(start);

  s.leave(start->ranks.front());
  s.give_back(a);
  auto const again = s.next(1);
  ASSERT_TRUE(again);
  EXPECT_NE(again->ranks.front(), start->ranks.front());
  EXPECT_EQ(s.free_ranks(), 0U);
}

TEST_F(SchedulerTest, GroupIsOnOneNodeWhereItFits) {
  shared_task(10, 2);
  auto s = scheduler({0, 1, 2, 1});

  EXPECT_THAT(s.next(0)->ranks, UnorderedElementsAre(1, 3));
}

TEST_F(SchedulerTest, SharedTasksTakeTheRanksThatLetThemAllEndSoonest) {
  for (int i = 0; i < 3; ++i) shared_task(10, 4);
  auto s = scheduler({0, 0});

  // Three on two ranks: two together and then one each, rather than one each and then an idle rank.
  EXPECT_THAT(s.next(0)->ranks, UnorderedElementsAre(0, 1));
  s.finish(0, 5);
  EXPECT_EQ(s.next(5)->ranks.size(), 1U);
  EXPECT_EQ(s.next(5)->ranks.size(), 1U);
}

TEST_F(SchedulerTest, AskedGroupSizeIsKeptWhileThereAreRanks) {
  shared_task(10, 4, {}, 3);
  auto s = scheduler({0, 0, 0, 0});
  EXPECT_EQ(s.next(0)->ranks.size(), 3U);

  s.leave(0);
  s.leave(1);
  s.give_back(0);
  EXPECT_EQ(s.next(1)->ranks.size(), 2U);
}

TEST_F(SchedulerTest, GroupDoesNotWaitForRanksThatAreNotThere) {
  auto const shared = shared_task(100, 2, {}, 2);
  auto s = scheduler({0});

  auto const start = s.next(0);
  ASSERT_TRUE(start);
  EXPECT_EQ(start->task, shared);
}

TEST_F(SchedulerTest, WhatSomebodyElseDoesIsWaitedFor) {
  auto const foreign = task(1);
  auto const own = task(1, {0});
  auto const other = task(1);
  Scheduler s(graph_, {false, false, false}, {true, false, false});
  s.join(0, 0);
  EXPECT_EQ(s.next(0)->task, other);
  s.finish(other, 1);
  EXPECT_FALSE(s.next(1));

  s.done_elsewhere(foreign);
  EXPECT_EQ(s.next(2)->task, own);
}

TEST_F(SchedulerTest, BackfillEndsBeforeTheGroupBegins) {
  auto const before = task(100);
  auto const after_before = task(100, {0});
  auto const small = task(3), large = task(60);
  auto const shared = shared_task(50, 2, {}, 2);
  auto s = scheduler({0, 0});
  auto const first = s.next(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->task, before);

  EXPECT_EQ(s.next(0)->task, large);  // more urgent than the group
  s.finish(large, 60);                // 40 s are left until the group can begin
  EXPECT_EQ(s.next(60)->task, small);
  s.finish(small, 63);
  EXPECT_FALSE(s.next(63));
  s.finish(before, 100);
  EXPECT_EQ(s.next(100)->task, after_before);
  EXPECT_FALSE(s.next(100));
  s.finish(after_before, 200);
  auto const group = s.next(200);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->task, shared);
  EXPECT_EQ(group->ranks.size(), 2U);
}

TEST_F(SchedulerTest, RanksKeepToTheirLanes) {
  // Affinities 1 and 2 of three tasks each, in the order of the plan 1 2 1 2 1 2.
  for (int i = 0; i < 6; ++i) task(1, {}, i % 2 + 1);
  auto s = scheduler({0, 0});
  std::vector<std::vector<std::uint32_t>> affinities(2);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::size_t> started;
    while (auto const next = s.next(round)) {
      started.push_back(next->task);
      affinities[static_cast<std::size_t>(next->ranks.front())].push_back(graph_.tasks[next->task].affinity);
    }
    for (auto t : started) s.finish(t, round + 1);
  }

  EXPECT_THAT(affinities[0], ElementsAre(1, 1, 1));
  EXPECT_THAT(affinities[1], ElementsAre(2, 2, 2));
}

TEST_F(SchedulerTest, SlowRankDoesNotTakeTheLastTask) {
  for (int i = 0; i < 9; ++i) task(1);
  auto s = scheduler({0, 0});
  // Rank 0 needs one second a task, rank 1 four.
  double now = 0;
  std::map<int, std::pair<double, std::size_t>> ends;
  std::vector<int> count(2);
  double end = 0;
  for (;;) {
    while (auto const next = s.next(now)) {
      auto const rank = next->ranks.front();
      ends[rank] = {now + (rank == 0 ? 1 : 4), next->task};
      ++count[static_cast<std::size_t>(rank)];
    }
    if (ends.empty()) break;
    auto const soonest =
        std::min_element(ends.begin(), ends.end(), [](auto& a, auto& b) { return a.second.first < b.second.first; });
    now = end = soonest->second.first;
    s.finish(soonest->second.second, now);
    ends.erase(soonest);
  }

  EXPECT_LE(end, 8);  // taking turns blindly: rank 1 begins its third task at 8
  EXPECT_EQ(count[0] + count[1], 9);
  EXPECT_LE(count[1], 2);
}

}  // namespace
}  // namespace onemask
