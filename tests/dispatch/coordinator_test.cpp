#include "support/world.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/dispatch/coordinator.hpp>

#include <algorithm>
#include <thread>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using testing::HasSubstr;
using Recipient = Mailbox::Recipient;

/// Workers that do what a test tells them to, under the real coordinator.
struct CoordinatorTest {
  void add(double seconds, std::uint32_t parts = 1, std::vector<std::uint32_t> after = {}) {
    graph_.tasks.push_back({.seconds = seconds, .parts = parts, .after = std::move(after)});
  }

  /// Runs all tasks; `act` does one on this rank and says how it failed, if it did. What each rank was told to do is in
  /// `orders_`.
  RunEnding run(std::function<std::optional<Failure>(RunTask const&)> const& act, CoordinatorOptions options = {}) {
    options.gathers = options.gathers && gathers_;
    Mailbox mailbox(test::world());
    std::optional<Coordinator> coordinator;
    std::jthread thread;
    if (mailbox.rank() == 0) {
      coordinator.emplace(graph_, std::vector<bool>(graph_.tasks.size()), mailbox, options);
      thread = std::jthread([&] {
        try {
          coordinator->run();
        } catch (std::exception const& error) {
          thrown_ = error.what();
        }
      });
    }
    auto const say = [&](Report const& report) { mailbox.send(0, Recipient::coordinator, to_bytes(report)); };
    say(WorkerReady{});
    for (;;) {
      auto const message = mailbox.receive(Recipient::worker);
      if (!message) {
        std::this_thread::yield();
        continue;
      }
      auto const order = order_from_bytes(message->bytes);
      if (std::holds_alternative<CheckPresence>(order)) say(Present{});
      if (std::holds_alternative<GatherResults>(order)) say(ResultsGathered{all_gathered_});
      if (auto const* task = std::get_if<RunTask>(&order)) {
        orders_.push_back(*task);
        auto const failure = act(*task);
        if (failure) {
          say(TaskFailed{task->group, task->task, *failure});
        } else {
          say(TaskDone{task->group, task->task});
        }
      }
      auto const* end = std::get_if<EndWork>(&order);
      if (end == nullptr) continue;
      if (coordinator) {
        thread.join();
        stages_ = coordinator->stages();
        snapshot_ = coordinator->snapshot();
      }
      test::world().barrier();
      return end->ending;
    }
  }

  /// How often each task was begun, over all ranks; of a group its leader counts.
  std::vector<std::int64_t> begun() const {
    std::vector<std::int64_t> counts(graph_.tasks.size());
    for (auto const& order : orders_) counts[order.task] += order.ranks.front() == test::world().rank();
    for (auto& count : counts) count = test::world().all_reduce_sum(count);
    return counts;
  }

  TaskGraph graph_{{"work"}, {}};
  std::vector<RunTask> orders_;
  std::vector<StageRecord> stages_;
  nlohmann::ordered_json snapshot_;
  std::string thrown_;
  bool gathers_ = true, all_gathered_ = true;
};

std::optional<Failure> done(RunTask const&) {
  return std::nullopt;
}

RANK_TEST_F(CoordinatorTest, EveryTaskIsDoneOnce) {
  for (int i = 0; i < 200; ++i) add(1);

  auto const ending = run(done);

  EXPECT_EQ(ending.end, RunEnding::End::complete);
  EXPECT_FALSE(ending.stuck);
  EXPECT_EQ(begun(), std::vector<std::int64_t>(200, 1));
  if (test::world().rank() > 0) return;
  ASSERT_EQ(stages_.size(), 1U);
  EXPECT_EQ(stages_[0].tasks, 200U);
  EXPECT_EQ(snapshot_["tasks"][0]["done"], 200);
}

RANK_TEST_F(CoordinatorTest, GroupsGetTheSameOrder) {
  for (int i = 0; i < 5; ++i) add(1, 8);

  auto const ending = run(done);

  EXPECT_EQ(ending.end, RunEnding::End::complete);
  EXPECT_EQ(begun(), std::vector<std::int64_t>(5, 1));
  for (auto const& order : orders_) {
    EXPECT_NE(std::find(order.ranks.begin(), order.ranks.end(), test::world().rank()), order.ranks.end());
  }
}

RANK_TEST_F(CoordinatorTest, ATaskThatFailsThreeTimesIsSetAsideAndTheOthersAreDone) {
  add(1);
  add(1, 1, {0});
  for (int i = 0; i < 20; ++i) add(1);

  auto const ending = run([](RunTask const& order) -> std::optional<Failure> {
    if (order.task == 0) return Failure{Failure::Kind::error, "it is no good"};
    if (order.task == 5) return Failure{Failure::Kind::error, "it is no better"};
    return done(order);
  });

  EXPECT_EQ(ending.end, RunEnding::End::partial);
  EXPECT_THAT(ending.sentence, HasSubstr("it is no good"));
  EXPECT_THAT(ending.sentence, HasSubstr("it is no better"));
  auto const counts = begun();
  EXPECT_EQ(counts[0], 3);
  EXPECT_EQ(counts[1], 0);
  EXPECT_EQ(counts[5], 3);
  EXPECT_EQ(std::count(counts.begin() + 2, counts.end(), 1), 19);
  if (test::world().rank() == 0) {
    EXPECT_EQ(snapshot_["tasks"][0]["failed"], 3);
  }
}

RANK_TEST_F(CoordinatorTest, ResultsThatAreGoneWhenTheyAreGatheredMakeARunPartial) {
  add(1);
  all_gathered_ = false;

  auto const ending = run(done);

  EXPECT_EQ(ending.end, RunEnding::End::partial);
  EXPECT_THAT(ending.sentence, HasSubstr("damaged or missing"));
}

RANK_TEST_F(CoordinatorTest, AMistakeOfTheUserEndsTheRun) {
  for (int i = 0; i < 1000; ++i) add(1);

  auto const ending = run([](RunTask const& order) -> std::optional<Failure> {
    if (order.task == 10) return Failure{Failure::Kind::user, "Write it otherwise."};
    if (order.task > 10) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return done(order);
  });

  EXPECT_EQ(ending.end, RunEnding::End::refused);
  EXPECT_EQ(ending.sentence, "Write it otherwise.");
  auto const counts = begun();
  EXPECT_LT(std::count(counts.begin(), counts.end(), 1), 1000);
}

RANK_TEST_F(CoordinatorTest, ARankWithoutItsDeviceGetsNoMoreTasks) {
  if (test::world().size() == 1) GTEST_SKIP() << "one rank has nobody to leave its tasks to";
  for (int i = 0; i < 50; ++i) add(1);

  auto const ending = run([](RunTask const& order) -> std::optional<Failure> {
    if (test::world().rank() == 1) return Failure{Failure::Kind::device, "the device is gone"};
    return done(order);
  });

  EXPECT_EQ(ending.end, RunEnding::End::complete);
  EXPECT_FALSE(ending.stuck);  // its process is there and comes to the end
  EXPECT_TRUE(ending.dead.empty());
  if (test::world().rank() == 0) {
    EXPECT_EQ(snapshot_["lost"], std::vector<int>{1});
  }
  if (test::world().rank() == 1) {
    EXPECT_EQ(orders_.size(), 1U);
  }
}

RANK_TEST_F(CoordinatorTest, RankZeroGathersWithoutItsDevice) {
  if (test::world().size() == 1) GTEST_SKIP() << "one rank has nobody to leave its tasks to";
  for (int i = 0; i < 50; ++i) add(1);

  auto const ending = run([](RunTask const& order) -> std::optional<Failure> {
    if (test::world().rank() == 0) return Failure{Failure::Kind::device, "the device is gone"};
    return done(order);
  });

  EXPECT_EQ(ending.end, RunEnding::End::complete) << ending.sentence;
  EXPECT_FALSE(ending.stuck);
  if (test::world().rank() == 0) {
    EXPECT_EQ(snapshot_["lost"], std::vector<int>{0});
  }
}

RANK_TEST_F(CoordinatorTest, ADefectEndsTheRun) {
  for (int i = 0; i < 1000; ++i) add(1);

  auto const ending = run([](RunTask const& order) -> std::optional<Failure> {
    if (order.task == 10) return Failure{Failure::Kind::defect, "Internal error: it is broken."};
    if (order.task > 10) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return done(order);
  });

  EXPECT_EQ(ending.end, RunEnding::End::failed);
  EXPECT_EQ(ending.sentence, "Internal error: it is broken.");
  EXPECT_EQ(begun()[10], 1);
}

RANK_TEST_F(CoordinatorTest, WhatItThrowsItselfAllRanksAreTold) {
  add(1);
  add(1);
  auto const ending =
      run(done, {.foreign = {true, false},
                 .done_of = [](auto const&) -> std::vector<std::size_t> { throw RunError("The folder is gone."); },
                 .owners_live = [](auto const&) { return true; }});

  EXPECT_EQ(ending.end, RunEnding::End::failed);
  EXPECT_EQ(ending.sentence, "The folder is gone.");
  if (test::world().rank() == 0) {
    EXPECT_EQ(thrown_, "The folder is gone.");
  }
}

RANK_TEST_F(CoordinatorTest, TheTimeLimitStopsIt) {
  for (int i = 0; i < 1000; ++i) add(1);

  auto const ending = run(
      [](RunTask const& order) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return done(order);
      },
      {.time_limit = 3, .grace = 1});

  EXPECT_EQ(ending.end, RunEnding::End::interrupted);
  EXPECT_THAT(ending.sentence, HasSubstr("time limit"));
  auto const counts = begun();
  EXPECT_GT(std::count(counts.begin(), counts.end(), 1), 0);
  EXPECT_EQ(std::count(counts.begin(), counts.end(), 2), 0);
}

RANK_TEST_F(CoordinatorTest, WhatOthersDoIsWaitedFor) {
  if (test::world().size() > 1) GTEST_SKIP() << "shards have one rank";
  add(1);
  add(1, 1, {0});
  int asked = 0;
  auto const ending = run(done, {.foreign = {true, false},
                                 .done_of = [&](auto const& tasks) { return ++asked > 1 ? tasks : std::vector<std::size_t>(); },
                                 .owners_live = [](auto const&) { return true; }});

  EXPECT_EQ(ending.end, RunEnding::End::complete);
  ASSERT_EQ(orders_.size(), 1U);
  EXPECT_EQ(orders_[0].task, 1);
}

RANK_TEST_F(CoordinatorTest, WhatOthersDidBeforeTheyEndedIsFound) {
  if (test::world().size() > 1) GTEST_SKIP() << "shards have one rank";
  add(1);
  add(1, 1, {0});
  bool ended = false;
  auto const ending = run(done, {.foreign = {true, false},
                                 .done_of = [&](auto const& tasks) { return ended ? tasks : std::vector<std::size_t>(); },
                                 .owners_live = [&](auto const&) { return !(ended = true); }});

  EXPECT_EQ(ending.end, RunEnding::End::complete);
}

RANK_TEST_F(CoordinatorTest, NobodyIsWaitedForWhoIsNotThere) {
  if (test::world().size() > 1) GTEST_SKIP() << "shards have one rank";
  add(1);
  add(1, 1, {0});
  add(1, 1, {1});
  auto const ending = run(done, {.foreign = {true, false, true},
                                 .done_of = [](auto const&) { return std::vector<std::size_t>(); },
                                 // Who does the third task cannot begin either.
                                 .owners_live = [](auto const& tasks) { return tasks != std::vector<std::size_t>{0}; }});

  EXPECT_EQ(ending.end, RunEnding::End::interrupted);
  EXPECT_THAT(ending.sentence, HasSubstr("shards that do not run"));
}

RANK_TEST_F(CoordinatorTest, WhatHasFailedElsewhereIsNotWaitedFor) {
  if (test::world().size() > 1) GTEST_SKIP() << "shards have one rank";
  add(1);
  add(1, 1, {0});
  add(1);
  auto const ending = run(
      [](RunTask const& order) -> std::optional<Failure> {
        if (order.task == 2) return Failure{Failure::Kind::error, "it is no good"};
        return done(order);
      },
      {.foreign = {true, false, false},
       .done_of = [](auto const&) { return std::vector<std::size_t>(); },
       .owners_live = [](auto const&) { return true; },  // that shard may wait for this one's third task
       .failed_of = [](auto const& tasks) { return tasks; },
       .owners_of = [](auto const&) { return "--shard 0/2"; }});

  EXPECT_EQ(ending.end, RunEnding::End::partial);
  EXPECT_EQ(ending.sentence,
            "it is no good; Tasks of --shard 0/2 failed, and tasks of this shard wait for them. Run --shard 0/2 again, and then "
            "this shard.");
}

RANK_TEST_F(CoordinatorTest, NobodyIsWaitedForWhoOnlyHasWhatFailed) {
  if (test::world().size() > 1) GTEST_SKIP() << "shards have one rank";
  for (int i = 0; i < 2; ++i) add(1);
  add(1, 1, {0, 1});
  std::vector<std::size_t> asked;
  auto const ending = run(done, {.foreign = {true, true, false},
                                 .done_of = [](auto const&) { return std::vector<std::size_t>(); },
                                 .owners_live =
                                     [&](auto const& tasks) {
                                       asked = tasks;
                                       return false;
                                     },
                                 .failed_of = [](auto const&) { return std::vector<std::size_t>{0}; },
                                 .owners_of = [](auto const&) { return ""; }});

  EXPECT_EQ(ending.end, RunEnding::End::interrupted);
  EXPECT_EQ(asked, std::vector<std::size_t>{1});
}

}  // namespace
}  // namespace onemask
