#include "doctor/sum_trial.hpp"

#include "support/world.hpp"
#include <onemask/comm/machine.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

TEST(Machine, KnowsWhatTheRanksTalkThrough) {
  auto const messages = message_passing();
  EXPECT_THAT(messages.library, testing::MatchesRegex("[A-Z].*[0-9].*"));
  EXPECT_THAT(messages.library, testing::Not(testing::HasSubstr(",")));
  if (test::world().size() > 1) {
    EXPECT_TRUE(messages.started);
  }
  EXPECT_EQ(messages.threads, messages.started ? "MPI_THREAD_MULTIPLE" : "");
  if (messages.survives_failure) {
    EXPECT_TRUE(messages.survivable);
  }
}

TEST(Trial, MultipliesRightOnTheCpu) {
  EXPECT_GT(product_rate(c10::kCPU), 1e6);
}

TEST(Trial, SumsRightOverAllRanks) {
  auto const trial = try_sums(test::world(), c10::kCPU);
  EXPECT_EQ(trial.transport, test::world().size() == 1 ? "one rank" : "MPI");
  EXPECT_EQ(trial.reason, test::world().size() == 1 ? "there is one rank" : "ranks compute on CPUs");
  EXPECT_EQ(trial.bytes, 8.0 * 1024 * 1024);
  EXPECT_GT(trial.seconds, 0);
  EXPECT_GT(trial.latency, 0);
  EXPECT_LT(trial.latency, 10);
}

}  // namespace
}  // namespace onemask
