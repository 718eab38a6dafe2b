#include "support/temporary_folder.hpp"
#include <onemask/core/file.hpp>
#include <onemask/status/run_state.hpp>
#include <onemask/status/status.hpp>
#include <onemask/store/journal.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FailedTasksTest : public testing::Test {
 protected:
  void write(int rank, int attempt, std::vector<JournalRecord> const& records) const {
    Journal journal(folder_.path(), rank, attempt);
    for (auto const& record : records) journal.append(record);
  }
  static JournalRecord done(std::string const& task) { return {.task = task}; }
  static JournalRecord failed(std::string const& task, std::string const& why) {
    return {.task = task, .status = TaskStatus::failed, .note = why};
  }
  /// "task: reason, times" of each.
  std::vector<std::string> found() const {
    std::vector<std::string> texts;
    for (auto const& task : failed_tasks(folder_.path()))
      texts.push_back(task.task + ": " + task.reason + ", " + std::to_string(task.times));
    return texts;
  }

  test::TemporaryFolder folder_;
};

TEST_F(FailedTasksTest, AreThoseThatNoRankHasDone) {
  write(0, 1, {failed("a", "first"), failed("b", "first")});
  write(2, 1, {failed("a", "second"), done("c")});
  EXPECT_THAT(found(), ElementsAre("a: second, 2", "b: first, 1"));
}

TEST_F(FailedTasksTest, WhatAnotherRankDidAfterwardsHasNotFailedWhateverTheirOrder) {
  write(1, 1, {done("a")});
  write(3, 1, {failed("a", "on rank 3")});
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(FailedTasksTest, ALaterAttemptDecides) {
  write(3, 1, {failed("a", "first"), done("b")});
  write(0, 2, {done("a"), failed("b", "it was lost, and could not be made again")});
  EXPECT_THAT(found(), ElementsAre("b: it was lost, and could not be made again, 1"));
}

TEST(LastState, IsWhatTheFileSays) {
  test::TemporaryFolder const folder;
  EXPECT_FALSE(last_state(folder.path(), "shard-1-of-2"));
  auto const file = state_file(folder.path(), "shard-1-of-2");
  write_file_atomically(file, "{\"phase\": \"par");
  EXPECT_FALSE(last_state(folder.path(), "shard-1-of-2"));
  write_file_atomically(file,
                        R"({"phase": "partial", "attempt": 1, "host": "node1", "process": 1, "started": 1, "updated": 2,
                            "ranks": 1, "lost": [], "seconds": 1, "seconds_left": 0, "busy": 1, "tasks": []})");
  auto const state = last_state(folder.path(), "shard-1-of-2");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->phase, "partial");
  EXPECT_EQ(state->attempt, 1);
}

}  // namespace
}  // namespace onemask
