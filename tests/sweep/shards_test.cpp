#include "sweep/shards.hpp"

#include "support/temporary_folder.hpp"
#include <onemask/core/file.hpp>
#include <onemask/status/run_state.hpp>
#include <onemask/store/journal.hpp>
#include <onemask/store/run_folder.hpp>

#include <ctime>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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

  /// The tasks of shard 0 are 0 and 3, that of shard 1 is 1.
  void write_failures(int shard, int attempt, std::size_t task, int times) const {
    Journal journal(folder_ / "journal", shard, attempt);
    for (int i = 0; i < times; ++i) journal.append({.task = task_id(plan_, tasks_.planned[task]), .status = TaskStatus::failed});
  }
  void write_state(int shard, int attempt, std::string const& phase) const {
    nlohmann::json const kind{{"kind", "masks"}, {"tasks", 4}, {"done_before", 0}, {"done", 0},
                              {"running", 0},    {"share", 0}, {"failed", 1}};
    nlohmann::json const state{{"phase", phase},    {"attempt", attempt}, {"host", "node1"},
                               {"process", 1},      {"started", 1},       {"updated", std::time(nullptr)},
                               {"ranks", 1},        {"seconds", 1},       {"lost", nlohmann::json::array()},
                               {"seconds_left", 0}, {"busy", 1},          {"tasks", nlohmann::json::array({kind})}};
    write_file_atomically(state_file(folder_.path(), part_name({shard, 3})), state.dump());
  }
  std::vector<std::size_t> failed(std::vector<std::size_t> const& some) const {
    return failed_in_other_shards(some, tasks_, plan_, options_);
  }

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

TEST_F(ShardsTest, TasksHaveFailedThatTheirShardsHaveTriedOftenEnough) {
  EXPECT_THAT(failed({0, 1, 3}), IsEmpty());
  write_state(0, 2, "partial");
  EXPECT_THAT(failed({0, 1, 3}), IsEmpty());
  write_failures(0, 1, 3, 3);  // in an earlier start
  write_failures(0, 2, 0, 3);
  write_failures(1, 2, 1, 3);
  EXPECT_THAT(failed({0, 1, 3}), ElementsAre(0));
  EXPECT_THAT(failed({}), IsEmpty());
}

TEST_F(ShardsTest, WhoWasStoppedTriesAgain) {
  write_failures(1, 1, 1, 3);
  for (auto const* phase : {"interrupted", "running"}) {
    write_state(1, 1, phase);
    EXPECT_THAT(failed({1}), IsEmpty()) << phase;
  }
}

TEST_F(ShardsTest, WhoIsAtWorkHasFailedToo) {
  RunLock const lock(folder_.path(), part_name({1, 3}));
  write_failures(1, 1, 1, 2);
  write_failures(1, 2, 1, 3);
  write_state(1, 1, "partial");
  EXPECT_THAT(failed({1}), IsEmpty()) << "that is what its last start said";
  write_state(1, 1, "running");
  EXPECT_THAT(failed({1}), IsEmpty()) << "it is tried once more";
  write_state(1, 2, "running");
  EXPECT_THAT(failed({1}), ElementsAre(1));
}

TEST_F(ShardsTest, OwnersAreNamedAsTheyAreStarted) {
  EXPECT_EQ(names_of_owners({0, 1, 3}, tasks_, options_.shard), "--shard 0/3 and --shard 1/3");
}

}  // namespace
}  // namespace onemask
