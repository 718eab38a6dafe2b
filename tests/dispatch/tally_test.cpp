#include <onemask/dispatch/tally.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// Three edits of 10 s each and two masks of 100 s, on one rank.
class TallyTest : public testing::Test {
 protected:
  static TaskGraph some_tasks() {
    TaskGraph graph{{"edits", "masks"}, {}};
    for (int i = 0; i < 3; ++i) graph.tasks.push_back({.kind = 0, .seconds = 10});
    for (int i = 0; i < 2; ++i) graph.tasks.push_back({.kind = 1, .seconds = 100});
    return graph;
  }

  double left(double now, std::size_t ranks = 1) const { return tally_.seconds_left(measured_, ranks, now); }
  std::string line(double now) const { return tally_.line(measured_, now); }
  void do_edits(std::initializer_list<std::size_t> edits) {
    for (auto edit : edits) tally_.begin(edit, 1, 0), tally_.end(edit, 0, true);
  }

  TaskGraph graph_ = some_tasks();
  Tally tally_{graph_, std::vector<bool>(5)};
  Tally::Measured measured_ = [](std::size_t) { return 0.0; };
  static constexpr std::size_t mask = 3, other_mask = 4;
};

TEST_F(TallyTest, WhatNobodyHasBegunTakesAsLongAsPredicted) {
  EXPECT_EQ(line(0), "");
  EXPECT_DOUBLE_EQ(left(0), 230);
  EXPECT_DOUBLE_EQ(left(0, 2), 115);
  measured_ = [](std::size_t kind) { return kind == 0 ? 2.0 : 0.0; };
  EXPECT_DOUBLE_EQ(left(0), 260) << "edits took twice as long as predicted";
}

TEST_F(TallyTest, TimeLeftFallsWhileATaskRunsThatTellsNothing) {
  tally_.begin(0, 1, 5);
  EXPECT_DOUBLE_EQ(left(5), 230);
  EXPECT_DOUBLE_EQ(left(9), 226);
  EXPECT_DOUBLE_EQ(left(15), 220);
  EXPECT_DOUBLE_EQ(left(30), 220) << "longer than predicted";
  EXPECT_EQ(line(14), "edits 0 of 3, 1 running");
  EXPECT_EQ(line(30), "edits 0 of 3, 1 running longer than predicted");
  tally_.end(0, 31, true);
  EXPECT_DOUBLE_EQ(left(31), 220);
}

TEST_F(TallyTest, TimeLeftFollowsTheSharesThatATaskTells) {
  do_edits({0, 1, 2});
  tally_.begin(mask, 1, 0);
  // The first epoch of four takes 50 s: twice as long as predicted, and so will the mask that waits.
  tally_.set_share(mask, 0.25, 50);
  EXPECT_DOUBLE_EQ(left(50), 150 + 200);
  EXPECT_DOUBLE_EQ(left(70), 130 + 200);
  EXPECT_DOUBLE_EQ(left(50, 2), 175);
  // Later epochs take 30 s: without what came before the first.
  tally_.set_share(mask, 0.5, 80);
  EXPECT_DOUBLE_EQ(left(80), 60 + 120);
  tally_.set_share(mask, 0.75, 110);
  EXPECT_DOUBLE_EQ(left(110), 30 + 120);
  EXPECT_DOUBLE_EQ(left(150), 120) << "not below what waits";
  EXPECT_EQ(line(111), "masks 0.7 of 2, 1 running");
}

TEST_F(TallyTest, TheLastTaskEndsNoSoonerForMoreRanks) {
  do_edits({0, 1, 2});
  tally_.begin(mask, 1, 0);
  tally_.begin(other_mask, 1, 0);
  tally_.end(mask, 40, true);
  EXPECT_DOUBLE_EQ(left(40, 2), 60);
}

TEST_F(TallyTest, SaysWhatRunsAndWhatWaits) {
  do_edits({0});
  EXPECT_EQ(line(1), "edits 1 of 3, 2 waiting");
  tally_.begin(mask, 2, 1);
  tally_.begin(other_mask, 1, 1);
  tally_.set_share(mask, 0.9, 2);
  tally_.set_share(other_mask, 0.5, 2);
  EXPECT_EQ(line(3), "masks 1.4 of 2, 2 running; edits 1 of 3, 2 waiting");
  tally_.end(mask, 4, true);
  tally_.end(other_mask, 4, true);
  EXPECT_EQ(line(4), "edits 1 of 3, 2 waiting");
}

TEST_F(TallyTest, WhatIsSetAsideOrDoneElsewhereIsNotWaitedFor) {
  do_edits({0});
  tally_.begin(mask, 1, 0);
  tally_.end(mask, 5, false);
  tally_.add_failed(mask, "reason");
  tally_.add_failed(mask, "again");
  tally_.found(other_mask);
  EXPECT_DOUBLE_EQ(left(5), 20);
  EXPECT_EQ(line(5), "edits 1 of 3, 2 waiting");
  tally_.add_failed(1, "reason");
  EXPECT_EQ(line(5), "edits 1 of 3 (1 failed), 1 waiting");
  EXPECT_DOUBLE_EQ(left(5), 10);
}

TEST_F(TallyTest, TimeLeftIsThatOfTheOwnTasks) {
  Tally shard(graph_, std::vector<bool>(5), {false, true, true, true, false});
  auto const its_left = [&] { return shard.seconds_left(measured_, 1, 0); };
  EXPECT_DOUBLE_EQ(its_left(), 110);
  shard.found(1);
  EXPECT_DOUBLE_EQ(its_left(), 110);
  shard.add_failed(mask, "reason");
  EXPECT_DOUBLE_EQ(its_left(), 110);
  shard.begin(0, 1, 0);
  shard.end(0, 0, true);
  EXPECT_DOUBLE_EQ(its_left(), 100);
  EXPECT_EQ(shard.line(measured_, 0), "edits 2 of 3, 1 waiting");
}

TEST_F(TallyTest, AGroupSharesItsTaskOut) {
  graph_.tasks[mask].parts = 4;
  do_edits({0, 1, 2});
  tally_.begin(mask, 2, 0);
  auto const alone = seconds_on(graph_.tasks[mask], 2);
  EXPECT_DOUBLE_EQ(left(20, 2), (2 * (alone - 20) + 100) / 2);
}

TEST_F(TallyTest, TellsTheSharesOfWhatRuns) {
  tally_.begin(mask, 1, 0);
  tally_.set_share(mask, 0.5, 2);
  auto const kinds = tally_.json();
  EXPECT_EQ(kinds.at(1).at("running"), 1);
  EXPECT_EQ(kinds.at(1).at("share"), 0.5);
  EXPECT_EQ(kinds.at(0).at("share"), 0);
}

}  // namespace
}  // namespace onemask
