#include "support/world.hpp"
#include <onemask/comm/communicator.hpp>
#include <onemask/comm/environment.hpp>

#include <chrono>
#include <ctime>
#include <stdexcept>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

/// 3 MB and a bit, so that it travels in several pieces; different for every rank.
std::string long_text(int rank) {
  std::string text(3'000'001, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + i / 255 + static_cast<std::size_t>(rank));
  return text;
}

TEST(Communicator, IsOneRankWithoutMpi) {
  Communicator const comm;
  EXPECT_EQ(comm.rank(), 0);
  EXPECT_EQ(comm.size(), 1);
  EXPECT_EQ(comm.broadcast("a", 0), "a");
  EXPECT_THAT(comm.gather("b", 0), testing::ElementsAre("b"));
  EXPECT_THAT(comm.all_gather("c"), testing::ElementsAre("c"));
  EXPECT_EQ(comm.all_reduce_sum(5), 5);
  EXPECT_EQ(comm.all_reduce_max(-5), -5);
  EXPECT_EQ(comm.split(3, 0).size(), 1);
  EXPECT_THROW(comm.broadcast("a", 1), std::out_of_range);
}

RANK_TEST(Communicator, BroadcastsFromEveryRoot) {
  auto const comm = test::world();
  for (int root = 0; root < comm.size(); ++root) {
    std::string const given = comm.rank() == root ? long_text(root) : "overwritten";
    EXPECT_TRUE(comm.broadcast(given, root) == long_text(root));
  }
  EXPECT_EQ(comm.broadcast("", 0), "");
  EXPECT_THROW(comm.broadcast("", comm.size()), std::out_of_range);
}

RANK_TEST(Communicator, GathersInTheOrderOfRanks) {
  auto const comm = test::world();
  int const root = comm.size() - 1;
  // Odd ranks have nothing to say.
  auto const expected = [](int rank) { return rank % 2 == 1 ? std::string() : long_text(rank); };
  auto const gathered = comm.gather(expected(comm.rank()), root);
  auto const everywhere = comm.all_gather(expected(comm.rank()));
  ASSERT_EQ(gathered.size(), comm.rank() == root ? static_cast<std::size_t>(comm.size()) : 0U);
  ASSERT_EQ(everywhere.size(), static_cast<std::size_t>(comm.size()));
  for (int rank = 0; rank < comm.size(); ++rank) {
    auto const index = static_cast<std::size_t>(rank);
    EXPECT_TRUE(everywhere[index] == expected(rank));
    if (comm.rank() == root) {
      EXPECT_TRUE(gathered[index] == expected(rank));
    }
  }
}

RANK_TEST(Communicator, ReducesNumbersOf64Bits) {
  auto const comm = test::world();
  std::int64_t const large = std::int64_t{1} << 40;
  std::int64_t const ranks = comm.size();
  EXPECT_EQ(comm.all_reduce_sum(large + comm.rank()), ranks * large + ranks * (ranks - 1) / 2);
  EXPECT_EQ(comm.all_reduce_max(-large * comm.rank()), 0);
  EXPECT_EQ(comm.all_reduce_max(large * comm.rank()), large * (ranks - 1));
}

RANK_TEST(Communicator, SplitsByColorAndOrdersByKey) {
  auto const comm = test::world();
  auto const part = comm.split(comm.rank() % 2, -comm.rank());
  EXPECT_EQ(part.size(), (comm.size() + 1 - comm.rank() % 2) / 2);
  auto const ranks = part.all_gather(std::to_string(comm.rank()));
  for (std::size_t i = 0; i + 1 < ranks.size(); ++i) EXPECT_GT(std::stoi(ranks[i]), std::stoi(ranks[i + 1]));
  for (auto const& rank : ranks) EXPECT_EQ(std::stoi(rank) % 2, comm.rank() % 2);
  EXPECT_THROW(comm.split(-1, 0), std::out_of_range);

  auto const copy = comm.duplicate();
  EXPECT_EQ(copy.rank(), comm.rank());
  EXPECT_EQ(copy.size(), comm.size());
}

TEST(Communicator, LeavesTheCoreAloneWhileItWaits) {
  auto const comm = test::world();
  if (comm.size() == 1) GTEST_SKIP() << "one rank waits for nobody";
  comm.barrier();
  std::clock_t const before = std::clock();
  if (comm.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(600));
  comm.barrier();
  double const busy = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(busy, 0.3);
}

TEST(Environment, HasAHostName) {
  EXPECT_FALSE(host_name().empty());
}

}  // namespace
}  // namespace onemask
