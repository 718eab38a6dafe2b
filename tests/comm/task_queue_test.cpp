#include "support/world.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/comm/task_queue.hpp>
#include <onemask/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// The tasks of all ranks, in the order of ranks.
std::vector<std::size_t> gather_tasks(std::vector<std::size_t> const& mine) {
  std::ostringstream text;
  for (auto const task : mine) text << task << ' ';
  std::vector<std::size_t> all;
  for (auto const& one : test::world().all_gather(text.str())) {
    std::istringstream in(one);
    for (std::size_t task; in >> task;) all.push_back(task);
  }
  return all;
}

std::vector<std::size_t> first_numbers(std::size_t count) {
  std::vector<std::size_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = i;
  return numbers;
}

TEST(TaskQueue, DealsEveryTaskOnceWithASlowRank) {
  auto const comm = test::world();
  bool const slow = comm.rank() == comm.size() - 1;
  std::vector<std::size_t> mine;
  {
    TaskQueue queue(comm, comm.rank() == 0 ? 1000 : 7);  // only rank 0's count counts
    while (auto const task = queue.next()) {
      mine.push_back(*task);
      std::this_thread::sleep_for(slow ? milliseconds(5) : milliseconds(1));
    }
    EXPECT_FALSE(queue.next());
  }
  EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
  auto all = gather_tasks(mine);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, first_numbers(1000));
  if (slow && comm.size() > 1) {
    EXPECT_LT(mine.size(), 1000U / static_cast<std::size_t>(comm.size()));
  }
}

TEST(TaskQueue, ServesWhileRank0IsBusy) {
  auto const comm = test::world();
  if (comm.size() == 1) GTEST_SKIP() << "one rank asks nobody";
  comm.barrier();
  Clock::duration longest{};
  {
    TaskQueue queue(comm, 200);
    if (comm.rank() == 0) {
      queue.next();
      auto const end = Clock::now() + milliseconds(400);
      for (volatile std::size_t turns = 0; Clock::now() < end;) turns = turns + 1;
    } else {
      for (bool more = true; more;) {
        auto const asked = Clock::now();
        more = queue.next().has_value();
        longest = std::max(longest, Clock::now() - asked);
      }
    }
  }
  EXPECT_LT(longest, milliseconds(200)) << "a rank waited for rank 0's task to end";
}

TEST(TaskQueue, StopsForAllWhenOneRankSaysSo) {
  auto const comm = test::world();
  for (int stopper = 0; stopper < comm.size(); ++stopper) {
    {
      TaskQueue queue(comm, 1'000'000);
      if (comm.rank() == stopper) {
        queue.next();
        queue.stop();
        queue.stop();
        EXPECT_FALSE(queue.next());
      } else {
        while (queue.next()) {
        }
      }
    }
    comm.barrier();
  }
}

TEST(TaskQueue, HasNoTasksWhenThereAreNone) {
  TaskQueue queue(test::world(), 0);
  EXPECT_FALSE(queue.next());
}

TEST(TaskQueue, MayBeLeftEarly) {
  TaskQueue queue(test::world(), 100);
  queue.next();
}

TEST(TaskQueue, EndsForAllWhenOneRankFails) {
  auto const comm = test::world();
  for (int failing = 0; failing < comm.size(); ++failing) {
    EXPECT_THROW(agree(comm,
                       [&] {
                         TaskQueue queue(comm, 1'000'000);
                         while (auto const task = queue.next()) {
                           if (comm.rank() == failing) throw RunError("task " + std::to_string(*task) + " failed");
                         }
                       }),
                 RunError);
  }
}

}  // namespace
}  // namespace onemask
