#include <onemask/core/interrupt.hpp>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace onemask {
namespace {

class Interrupt : public testing::TestWithParam<int> {};

TEST_P(Interrupt, RaisesTheFlagInsteadOfEndingTheProcess) {
  pid_t const child = ::fork();  // the flag never falls again, so each signal has a process of its own
  ASSERT_GE(child, 0);
  if (child == 0) {
    watch_signals();
    bool const before = interrupted();
    ::raise(GetParam());
    ::_exit(!before && interrupted() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

INSTANTIATE_TEST_SUITE_P(Signals, Interrupt, testing::Values(SIGTERM, SIGINT, SIGUSR1));

}  // namespace
}  // namespace onemask
