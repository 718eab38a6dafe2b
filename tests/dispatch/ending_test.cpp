#include "support/world.hpp"
#include <onemask/core/error.hpp>
#include <onemask/dispatch/ending.hpp>

#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace onemask {
namespace {

using namespace std::chrono_literals;

void must_not_give_up() {
  ADD_FAILURE() << "gave up on ranks that came in time";
}

TEST(Ending, TellsTheKindsOfFailuresApart) {
  EXPECT_EQ(ending_of([] { return 3; }), (Ending{3, ""}));
  EXPECT_EQ(ending_of([]() -> int { throw ShapeError("two\nlines"); }), (Ending{2, "two\nlines"}));
  EXPECT_EQ(ending_of([]() -> int { throw RunError("disk"); }), (Ending{1, "disk"}));
  EXPECT_EQ(ending_of([]() -> int { throw Interrupted("stopped"); }), (Ending{75, "stopped"}));
  EXPECT_EQ(ending_of([]() -> int { throw std::runtime_error("index out of range\nException raised from ..."); }),
            (Ending{1, "index out of range"}));
  EXPECT_EQ(ending_of([]() -> int { throw std::bad_alloc(); }).code, 1);
  EXPECT_FALSE(ending_of([]() -> int { throw std::runtime_error(""); }).sentence.empty());
  EXPECT_FALSE(ending_of([]() -> int { throw 7; }).sentence.empty());
}

RANK_TEST(Ending, IsTheOwnOneWhereNobodyFailed) {
  Mailbox ranks(test::world());
  EXPECT_EQ(end_together(ranks, {3, ""}, 1h, must_not_give_up), (Meeting{{3, ""}}));
}

RANK_TEST(Ending, IsTheOwnFailureWhereAllFailed) {
  Mailbox ranks(test::world());
  Ending const own{2, "bad study"};
  EXPECT_EQ(end_together(ranks, own, 1h, must_not_give_up), Meeting{own});
}

RANK_TEST(Ending, IsTheOtherRanksFailureElsewhere) {
  Mailbox ranks(test::world());
  int const last = ranks.size() - 1;
  Ending const failure{1, "no space left"};
  auto const common = end_together(ranks, ranks.rank() == last ? failure : Ending{}, 1h, must_not_give_up).ending;
  if (ranks.rank() == last) {
    EXPECT_EQ(common, failure);
  } else {
    EXPECT_EQ(common, (Ending{1, "rank " + std::to_string(last) + ": no space left"}));
  }
}

RANK_TEST(Ending, AFailureDoesNotWaitForeverForTheOthers) {
  Mailbox ranks(test::world());
  if (ranks.size() == 1) GTEST_SKIP() << "one rank waits for nobody";
  std::atomic<int> given_up{0};
  bool const fails = ranks.rank() == 1;
  auto const come = [world = test::world()] { world.barrier(); };  // in a thread of its own where it gives up
  if (!fails) come();
  end_together(ranks, fails ? Ending{1, "lost"} : Ending{}, fails ? 50ms : 1min, [&] {
    ++given_up;
    come();
  });
  EXPECT_EQ(given_up, fails ? 1 : 0);
}

RANK_TEST(Ending, TellsThoseThatCameThatOthersHang) {
  Mailbox ranks(test::world());
  if (ranks.size() == 1) GTEST_SKIP() << "one rank waits for nobody";
  std::atomic<int> given_up{0};
  bool const hangs = ranks.rank() == ranks.size() - 1;
  if (!hangs) {
    auto const met = end_together(ranks, {3, ""}, 5s, [&] { ++given_up; });
    EXPECT_EQ(met, (Meeting{{3, ""}, false}));
  }
  EXPECT_EQ(given_up, ranks.rank() == 0 ? 1 : 0);
}

}  // namespace
}  // namespace onemask
