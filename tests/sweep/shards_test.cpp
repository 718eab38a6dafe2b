#include "sweep/shards.hpp"

#include "support/temporary_folder.hpp"
#include <onemask/core/file.hpp>
#include <onemask/status/run_state.hpp>
#include <onemask/store/journal.hpp>
#include <onemask/store/run_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Four masks, dealt out to three shards; the tests are shard 2.
class ShardsTest : public testing::Test {
 protected:
  ShardsTest() {
    for (std::uint32_t m = 0; m < 4; ++m) {
      plan_.masks.emplace_back().name = "mask" + std::to_string(m);
      tasks_.graph.tasks.push_back({.seconds = 1});
      tasks_.planned.push_back({TaskKind::mask, m});
    }
    options_.folder = folder_.path();
    options_.shard = {2, 3};
  }

  void write_failure(int shard, std::size_t task) const {
    JournalRecord record{.task = task_id(plan_, tasks_.planned[task]), .status = TaskStatus::failed};
    Journal(folder_ / "journal", shard, static_cast<int>(task) + 1).append(record);
  }
  void write_phase(int shard, std::string const& phase) const {
    write_file_atomically(state_file(folder_.path(), part_name({shard, 3})),
                          "{\"phase\": \"" + phase +
                              R"(", "attempt": 1, "host": "node1", "process": 1, "started": 1, "updated": 2, "ranks": 1,)"
                              R"( "lost": [], "seconds": 1, "seconds_left": 0, "busy": 1, "tasks": []})");
  }
  std::string failed(std::vector<std::size_t> const& some) const { return failed_in_other_shards(some, tasks_, plan_, options_); }

  test::TemporaryFolder folder_;
  Plan plan_;
  TaskList tasks_;
  RunOptions options_;
};

TEST_F(ShardsTest, EveryTaskIsThatOfOneShard) {
  EXPECT_EQ(foreign_tasks(tasks_, {0, 3}), (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(foreign_tasks(tasks_, {2, 3}), (std::vector<bool>{true, true, false, true}));
  EXPECT_TRUE(foreign_tasks(tasks_, {0, 1}).empty());
}

TEST_F(ShardsTest, OwnersAreAtWorkWhileTheyHoldTheirLock) {
  EXPECT_FALSE(are_owners_at_work({0, 1}, tasks_, options_));
  RunLock const lock(folder_.path(), part_name({1, 3}));
  EXPECT_TRUE(are_owners_at_work({0, 1}, tasks_, options_));
  EXPECT_FALSE(are_owners_at_work({0, 3}, tasks_, options_));
}

TEST_F(ShardsTest, TasksHaveFailedWhereTheirShardsWentThroughAllOfTheirs) {
  write_phase(0, "partial");
  write_phase(1, "interrupted");
  EXPECT_EQ(failed({0}), "") << "it has not been tried";
  write_failure(0, 0);
  EXPECT_THAT(failed({0}), StartsWith("Tasks of --shard 0/3 failed"));
  EXPECT_EQ(failed({0, 1}), "");
  write_failure(1, 1);
  EXPECT_EQ(failed({0, 1}), "") << "the second has tries left";
  write_phase(1, "partial");
  EXPECT_THAT(failed({0, 1}), HasSubstr("Run --shard 0/3 and --shard 1/3 again"));
  EXPECT_EQ(failed({}), "");
}

}  // namespace
}  // namespace onemask
