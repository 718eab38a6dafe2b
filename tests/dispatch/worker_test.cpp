#include "support/temporary_folder.hpp"
#include "support/thread_ranks.hpp"
#include <onemask/compute/reducer.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/dispatch/coordinator.hpp>
#include <onemask/dispatch/worker.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// What all ranks see of the disk: which tasks are done, and how often each was.
class Results {
 public:
  void add(std::size_t task) {
    std::lock_guard const lock(mutex_);
    ++times_[task];
  }
  bool has(std::size_t task) const {
    std::lock_guard const lock(mutex_);
    return times_.contains(task);
  }
  std::map<std::size_t, int> times() const { return times_; }

 private:
  mutable std::mutex mutex_;
  std::map<std::size_t, int> times_;
};

using Act = std::function<bool(std::size_t task, TaskContext const& context)>;

/// What a task throws whose rank loses its device.
struct DeviceLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Tasks that do what a test says.
class TestTasks : public TaskRunner {
 public:
  TestTasks(Results& results, Act act) : results_(results), act_(std::move(act)) {}

  bool is_done(std::size_t task) const override { return results_.has(task); }
  bool run(std::size_t task, TaskContext const& context) override {
    try {
      if (!act_(task, context)) return false;
    } catch (DeviceLost const&) {
      fit_ = false;
      throw;
    }
    if (context.group.rank() == 0) results_.add(task);
    return true;
  }
  JournalRecord record(std::size_t task) const override {
    JournalRecord record;
    record.task = "work/" + std::to_string(task);
    record.units = 8;
    return record;
  }
  void drop_caches() override {}
  bool is_fit() const override { return fit_; }

 private:
  Results& results_;
  Act act_;
  bool fit_ = true;
};

/// The real coordinator with real workers, on ranks that are threads.
class WorkerTest : public testing::TestWithParam<int> {
 protected:
  void add(std::size_t count, std::uint32_t parts) {
    for (std::size_t i = 0; i < count; ++i) graph_.tasks.push_back({.seconds = 1, .parts = parts});
  }

  /// A rank's part in a run; `act` is what it does for a task.
  RunEnding take_part(Communicator const& world, Act const& act, CoordinatorOptions const& options = {},
                      std::chrono::seconds patience = std::chrono::seconds(60)) {
    Mailbox mailbox(world);
    Journal journal(folder_.path(), world.rank(), 1);
    TestTasks tasks(results_, act);
    std::optional<Coordinator> coordinator;
    std::jthread thread;
    if (world.rank() == 0) {
      coordinator.emplace(graph_, std::vector<bool>(graph_.tasks.size()), mailbox, options);
      thread = std::jthread([&](std::stop_token const& stop) { stuck_in_tasks_ = coordinator->run(stop).second; });
    }
    return work(tasks, mailbox, journal, {.patience = patience, .gather = [] { return true; }});
  }

  /// Every task is done and once in the journals.
  void expect_all_done_once() const {
    ASSERT_EQ(results_.times().size(), graph_.tasks.size());
    for (auto const& [task, times] : results_.times()) EXPECT_EQ(times, 1) << task;
    std::map<std::string, int> journalled;
    for (auto const& record : read_journals(folder_.path())) ++journalled[record.task];
    EXPECT_EQ(journalled.size(), graph_.tasks.size());
    for (auto const& [task, times] : journalled) EXPECT_EQ(times, 1) << task;
  }

  TemporaryFolder folder_;
  TaskGraph graph_{{"work"}, {}};
  Results results_;
  std::atomic<bool> stuck_in_tasks_ = false;
};

/// Adds a gradient up over a task's ranks, as masks do.
void sum_up(TaskContext const& context) {
  auto const reducer = make_reducer(context.group, at::kCPU);
  context.sums_through(reducer->transport());
  std::int64_t const size = context.group.size(), rank = context.group.rank();
  auto const values = at::arange(1000, at::kLong).mul(rank + 1);
  reducer->add(values);
  reducer->finalize();
  EXPECT_TRUE(values.equal(at::arange(1000, at::kLong).mul(size * (size + 1) / 2)));
}

TEST_P(WorkerTest, TasksOfOneRankAndOfGroupsAreDoneOnce) {
  add(40, 1);
  add(10, 8);
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const ending = take_part(world, [](std::size_t, TaskContext const& context) {
      sum_up(context);
      context.progress(0.5);
      return true;
    });
    EXPECT_EQ(ending.end, RunEnding::End::complete);
    EXPECT_THAT(ending.dead, IsEmpty());
  });
  expect_all_done_once();
  for (auto const& record : read_journals(folder_.path())) EXPECT_EQ(record.sums, record.ranks > 1 ? "messages" : "one rank");
}

TEST_P(WorkerTest, OthersDoTheTasksOfARankThatDies) {
  add(30, 1);
  int const victim = GetParam() - 1;
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const ending = take_part(world, [&](std::size_t, TaskContext const&) {
      if (world.rank() == victim) throw Death();
      return true;
    });
    EXPECT_EQ(ending.end, RunEnding::End::complete);
    EXPECT_THAT(ending.dead, ElementsAre(victim));
  });
  expect_all_done_once();
}

TEST_P(WorkerTest, AGroupThatLosesARankIsFormedAgain) {
  add(6, 8);
  int const victim = GetParam() - 1;
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const ending = take_part(world, [&](std::size_t, TaskContext const& context) {
      if (world.rank() == victim) throw Death();
      sum_up(context);
      return true;
    });
    EXPECT_EQ(ending.end, RunEnding::End::complete);
    EXPECT_THAT(ending.dead, ElementsAre(victim));
  });
  expect_all_done_once();
}

TEST_P(WorkerTest, AGroupThatWaitsForItselfFailsAndASmallerOneIsFormed) {
  add(1, 8);
  std::atomic<int> waiting = 0;
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const ending = take_part(world,
                                  [&](std::size_t, TaskContext const& context) {
                                    while (context.group.size() > 1) {
                                      ++waiting;
                                      context.group.poll();  // until the group is given up
                                      std::this_thread::sleep_for(std::chrono::milliseconds(1));
                                    }
                                    return true;
                                  },
                                  {.deadline = 0.2});
    EXPECT_EQ(ending.end, RunEnding::End::complete) << ending.sentence;
    EXPECT_FALSE(ending.stuck);
  });
  EXPECT_GT(waiting, 0);
  expect_all_done_once();
}

TEST_P(WorkerTest, TheFailureOfOneRankOfAGroupIsThatOfTheTask) {
  add(3, 8);
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const ending = take_part(world, [&](std::size_t task, TaskContext const& context) {
      if (task == 1 && context.group.rank() == context.group.size() - 1) throw RunError("it is no good");
      sum_up(context);
      return true;
    });
    EXPECT_EQ(ending.end, RunEnding::End::partial);
    EXPECT_THAT(ending.sentence, HasSubstr("it is no good"));
  });
  EXPECT_EQ(results_.times(), (std::map<std::size_t, int>{{0, 1}, {2, 1}}));
}

TEST_P(WorkerTest, TasksInHandAreLeftWhenTheTimeIsUp) {
  add(20, 1);
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const never_done = [](std::size_t, TaskContext const& context) {
      while (!context.stopped()) std::this_thread::yield();
      return false;
    };
    EXPECT_EQ(take_part(world, never_done, {.time_limit = 0.2}).end, RunEnding::End::interrupted);
  });
  EXPECT_THAT(results_.times(), IsEmpty());
  EXPECT_THAT(read_journals(folder_.path()), IsEmpty());
}

TEST_P(WorkerTest, WithoutRankZeroTheRunEnds) {
  run_ranks(GetParam(), [&](Communicator const& world) {
    if (world.rank() == 0) {
      Mailbox const mailbox(world);
      throw Death();
    }
    EXPECT_THROW(take_part(world, [](std::size_t, TaskContext const&) { return true; }), LostRank);
  });
}

TEST_P(WorkerTest, ARankWithoutItsDeviceComesToTheEndOfALongRun) {
  add(static_cast<std::size_t>(GetParam()), 1);
  auto const long_task = std::chrono::milliseconds(4500);
  run_ranks(GetParam(), [&](Communicator const& world) {
    bool const loses_it = world.rank() == 1;
    bool first = true;
    auto const act = [&](std::size_t, TaskContext const& context) {
      if (loses_it) throw DeviceLost("the device is gone");
      auto const end = std::chrono::steady_clock::now() + long_task;
      while (first && std::chrono::steady_clock::now() < end) {
        static_cast<void>(context.stopped());
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      first = false;
      return true;
    };
    auto const patience = std::chrono::seconds(loses_it ? 3 : 60);
    auto const ending = take_part(world, act, {.ping_every = 0.1}, patience);
    EXPECT_EQ(ending.end, RunEnding::End::complete) << ending.sentence;
    EXPECT_FALSE(ending.stuck);
  });
  EXPECT_EQ(results_.times().size(), graph_.tasks.size());
}

TEST_P(WorkerTest, WithoutTheWorkerOfRankZeroTheRunEnds) {
  if (GetParam() > 2) GTEST_SKIP() << "two ranks tell all there is to tell, and this takes its time";
  add(4, 1);
  std::atomic<bool> over = false;
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const act = [&](std::size_t, TaskContext const&) {
      while (world.rank() == 0 && !over) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return true;
    };
    auto const ending = take_part(world, act, {.deadline = 2});
    over = true;
    EXPECT_EQ(ending.end, RunEnding::End::interrupted);
    EXPECT_THAT(ending.sentence, HasSubstr("Rank 0 hangs, so study.h5 is not written."));
    EXPECT_TRUE(ending.stuck);
  });
  EXPECT_TRUE(stuck_in_tasks_) << "nobody would end the world";
}

TEST_P(WorkerTest, ADefectInATaskEndsTheRun) {
  add(3, 8);
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const ending = take_part(world, [](std::size_t, TaskContext const& context) {
      invariant(context.group.rank() + 1 < context.group.size(), "it is broken");
      sum_up(context);
      return true;
    });
    EXPECT_EQ(ending.end, RunEnding::End::failed);
    EXPECT_THAT(ending.sentence, HasSubstr("Internal error: it is broken"));
  });
  EXPECT_THAT(results_.times(), IsEmpty());
}

TEST_P(WorkerTest, OfATaskThatGoesOnTheRestIsMeasured) {
  add(4, 1);
  run_ranks(GetParam(), [&](Communicator const& world) {
    auto const act = [](std::size_t task, TaskContext const& context) {
      if (task == 2) context.resumes(0.75);
      return true;
    };
    EXPECT_EQ(take_part(world, act).end, RunEnding::End::complete);
  });
  for (auto const& record : read_journals(folder_.path()))
    EXPECT_EQ(record.units, record.task == "work/2" ? 2 : 8) << record.task;
  expect_all_done_once();
}

INSTANTIATE_TEST_SUITE_P(Threads, WorkerTest, testing::Values(2, 3));

}  // namespace
}  // namespace onemask::test
