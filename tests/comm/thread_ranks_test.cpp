#include "support/thread_ranks.hpp"

#include <onemask/comm/agree.hpp>
#include <onemask/comm/mailbox.hpp>
#include <onemask/compute/reducer.hpp>
#include <onemask/core/error.hpp>

#include <atomic>
#include <stdexcept>
#include <thread>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;

TEST(ThreadRanks, ThrowWhatTheFirstToFailThrew) {
  std::atomic<int> lonely = 0;
  auto const fail = [&](Communicator const& world) {
    if (world.rank() == 1) throw std::out_of_range("the first failure");
    try {
      world.barrier();
    } catch (LostRank const&) {
      ++lonely;
      throw;
    }
  };
  EXPECT_THROW(run_ranks(3, fail), std::out_of_range);
  EXPECT_EQ(lonely, 2);
}

TEST(ThreadRanks, NobodyWaitsForARankAtItsEnd) {
  EXPECT_THROW(run_ranks(2,
                         [](Communicator const& world) {
                           if (world.rank() == 0) static_cast<void>(world.gather("", 0));
                         }),
               LostRank);
}

TEST(ThreadRanks, WhatARankSaidBeforeItsEndArrives) {
  run_ranks(2, [](Communicator const& world) {
    if (world.rank() == 1) {
      static_cast<void>(world.gather("last words", 0));
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      EXPECT_THAT(world.gather("", 0), ElementsAre("", "last words"));
    }
  });
}

/// The others of a group of which one dies go on without it, as processes do where MPI allows it.
TEST(ThreadRanks, TheDeadAreLostAndTheOthersGoOn) {
  run_ranks(3, [](Communicator const& world) {
    Mailbox mailbox(world);
    // Who waits for a survivor that has given the group up hears of the loss only in its naps.
    auto const whole = mailbox.group({0, 1, 2}, 1, [&] {
      if (!mailbox.lost().empty()) throw LostRank("a member is lost");
    });
    EXPECT_TRUE(mailbox.lost().empty());
    EXPECT_EQ(whole.all_reduce_sum(1), 3);
    auto const reducer = make_reducer(whole, at::kCPU);
    world.barrier();
    if (world.rank() == 1) throw Death();

    auto const values = at::ones({1000}, at::kLong);
    reducer->add(values);
    EXPECT_THROW(reducer->finalize(), LostRank);
    EXPECT_THAT(mailbox.lost(), ElementsAre(1));
    mailbox.send(1, Mailbox::Recipient::worker, "to nowhere");

    auto const left = mailbox.group({2, 0}, 2, [] {});
    auto const sum = make_reducer(left, at::kCPU);
    auto const parts = at::full({1000}, world.rank() + 1, at::kLong);
    sum->add(parts);
    sum->finalize();
    EXPECT_TRUE(parts.equal(at::full({1000}, 4, at::kLong)));
  });
}

TEST(ThreadRanks, AgreeTellsAllOfOneFailure) {
  std::atomic<int> told = 0;
  run_ranks(3, [&](Communicator const& world) {
    try {
      agree(world, [&] {
        if (world.rank() == 2) throw UserError("broken");
      });
    } catch (UserError const&) {
      ++told;
    }
  });
  EXPECT_EQ(told, 3);
}

}  // namespace
}  // namespace onemask::test
