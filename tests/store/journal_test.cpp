#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/store/journal.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

JournalRecord record_of(std::string task) {
  JournalRecord record;
  record.task = std::move(task);
  record.object = "0123abcd";
  record.seconds = 0.1 + 0.2;
  record.host = "node1";
  record.rank = 3;
  record.sums = "NCCL";
  return record;
}

std::vector<std::string> tasks(std::filesystem::path const& folder) {
  std::vector<std::string> names;
  for (auto const& record : read_journals(folder)) names.push_back(record.task);
  return names;
}

class JournalTest : public testing::Test {
 protected:
  std::filesystem::path file() const { return folder_ / "rank-3-1.jsonl"; }
  void append_three() const {
    Journal journal(folder_.path(), 3, 1);
    for (auto const* task : {"a", "b", "c"}) journal.append(record_of(task));
  }
  void overwrite(std::string const& bytes) const { std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes; }

  test::TemporaryFolder folder_;
};

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  JournalRecord failed = record_of("edit/7");
  failed.status = TaskStatus::failed;
  failed.object = "";
  failed.note = "a \"note\"\nof two lines, \xc3\xa4";
  {
    Journal journal(folder_.path(), 3, 1);
    journal.append(record_of("edit/6"));
    journal.append(failed);
  }
  auto const records = read_journals(folder_.path());
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].task, "edit/6");
  EXPECT_EQ(records[0].status, TaskStatus::done);
  EXPECT_EQ(records[0].object, "0123abcd");
  EXPECT_EQ(records[0].seconds, 0.1 + 0.2);
  EXPECT_EQ(records[0].host, "node1");
  EXPECT_EQ(records[0].rank, 3);
  EXPECT_EQ(records[0].sums, "NCCL");
  EXPECT_EQ(records[1].status, TaskStatus::failed);
  EXPECT_EQ(records[1].note, failed.note);
}

TEST_F(JournalTest, SurvivesNotesThatAreNoText) {
  JournalRecord odd = record_of("a");
  odd.note = "\xff\xfe";
  odd.seconds = std::numeric_limits<double>::quiet_NaN();
  Journal(folder_.path(), 0, 1).append(odd);
  EXPECT_THAT(tasks(folder_.path()), testing::ElementsAre("a"));
}

TEST_F(JournalTest, ReadsAttemptsInOrderThenRanks) {
  EXPECT_EQ(next_attempt(folder_.path()), 1);
  EXPECT_EQ(next_attempt(folder_ / "missing"), 1);
  EXPECT_TRUE(read_journals(folder_ / "missing").empty());
  Journal(folder_.path(), 0, 10).append(record_of("rank 0, attempt 10"));
  Journal(folder_.path(), 10, 2).append(record_of("rank 10, attempt 2"));
  Journal(folder_.path(), 9, 2).append(record_of("rank 9, attempt 2"));
  for (auto const* other :
       {"rank-1.jsonl", "rank-x-1.jsonl", "rank-1-.jsonl", "rank-1-2.jsonl.bak", "rank-.jsonl", "notes.txt"}) {
    std::ofstream(folder_ / other) << "something else\n";
  }
  EXPECT_THAT(tasks(folder_.path()), testing::ElementsAre("rank 9, attempt 2", "rank 10, attempt 2", "rank 0, attempt 10"));
  EXPECT_EQ(read_journals(folder_.path()).back().attempt, 10);
  EXPECT_EQ(next_attempt(folder_.path()), 11);
  EXPECT_THROW(Journal(folder_.path(), 9, 2), RunError);
}

TEST_F(JournalTest, DropsATornTailWhereverItIsCut) {
  append_three();
  std::string const whole = read_file(file());
  std::size_t const line = whole.size() / 3;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    overwrite(whole.substr(0, size));
    EXPECT_EQ(read_journals(folder_.path()).size(), size / line) << size;
  }
}

TEST_F(JournalTest, NeverBelievesAnAlteredLine) {
  append_three();
  std::string const whole = read_file(file());
  std::size_t const line = whole.size() / 3;
  for (std::size_t place = line; place < 2 * line - 1; ++place) {
    std::string altered = whole;
    altered[place] = static_cast<char>(altered[place] ^ 2);
    overwrite(altered);
    EXPECT_THAT(tasks(folder_.path()), testing::ElementsAre("a", "c")) << place;
  }
}

TEST_F(JournalTest, KeepsWholeRecordsWhenTheDiskIsFull) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  Journal journal(folder_.path(), 3, 1);
  journal.append(record_of("a"));
  auto const size = std::filesystem::file_size(file());
  rlimit const small{size + 20, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(journal.append(record_of("b")), RunError);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(std::filesystem::file_size(file()), size);
  journal.append(record_of("c"));
  EXPECT_THAT(tasks(folder_.path()), testing::ElementsAre("a", "c"));
}

}  // namespace
}  // namespace onemask
