#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/store/run_folder.hpp>

#include <csignal>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

std::string refusal(std::filesystem::path const& folder) {
  return test::complaint_of([&] { RunLock const lock(folder); });
}

TEST(RunLock, RefusesASecondRunAndNamesTheFirst) {
  test::TemporaryFolder const folder;
  auto lock = std::make_unique<RunLock>(folder / "run");
  std::string const process = "process " + std::to_string(getpid());
  EXPECT_THAT(refusal(folder / "run"),
              testing::AllOf(testing::HasSubstr(process), testing::HasSubstr("host "), testing::HasSubstr("UTC")));
  EXPECT_THAT(read_file(folder / "run" / "lock"), testing::HasSubstr(process));
  EXPECT_EQ(refusal(folder / "another"), "");
  lock.reset();
  EXPECT_EQ(refusal(folder / "run"), "");
}

TEST(RunLock, PartsAtWorkAreSeen) {
  test::TemporaryFolder const folder;
  EXPECT_FALSE(is_any_at_work(folder.path()));
  {
    RunLock const lock(folder.path(), "2-of-3");
    EXPECT_FALSE(is_at_work(folder.path()));
    EXPECT_TRUE(is_any_at_work(folder.path()));
  }
  EXPECT_FALSE(is_any_at_work(folder.path()));
  RunLock const lock(folder.path());
  EXPECT_TRUE(is_any_at_work(folder.path()));
}

TEST(RunLock, IsTakenOverFromAProcessThatWasKilled) {
  test::TemporaryFolder const folder;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t const child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    RunLock const lock(folder.path());
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_THAT(refusal(folder.path()), testing::HasSubstr("process " + std::to_string(child)));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(ready[0]);
  close(ready[1]);

  RunLock const lock(folder.path());
  EXPECT_THAT(read_file(folder / "lock"), testing::HasSubstr("process " + std::to_string(getpid())));
}

}  // namespace
}  // namespace onemask
