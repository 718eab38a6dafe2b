#include "support/world.hpp"
#include <onemask/comm/integer_sums.hpp>
#include <onemask/comm/mailbox.hpp>
#include <onemask/compute/reducer.hpp>
#include <onemask/core/error.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace onemask {
namespace {

using testing::ElementsAre;
using Recipient = Mailbox::Recipient;

Message wait_for(Mailbox& mailbox, Recipient recipient) {
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    if (auto message = mailbox.receive(recipient)) return *message;
  }
  throw std::runtime_error("no message came");
}

void nothing() {}

RANK_TEST(Mailbox, CarriesMessagesOfAnyLengthInOrder) {
  Mailbox mailbox(test::world());
  std::string const large(3'000'000, 'x');
  auto const next = (mailbox.rank() + 1) % mailbox.size(), last = (mailbox.rank() + mailbox.size() - 1) % mailbox.size();
  mailbox.send(next, Recipient::worker, "");
  mailbox.send(next, Recipient::worker, large);
  mailbox.send(next, Recipient::worker, "after");

  EXPECT_EQ(wait_for(mailbox, Recipient::worker).bytes, "");
  auto const second = wait_for(mailbox, Recipient::worker);
  EXPECT_EQ(second.from, last);
  EXPECT_TRUE(second.bytes == large);
  EXPECT_EQ(wait_for(mailbox, Recipient::worker).bytes, "after");
  EXPECT_FALSE(mailbox.receive(Recipient::worker));
  test::world().barrier();
}

RANK_TEST(Mailbox, BoxesAreApart) {
  Mailbox mailbox(test::world());
  mailbox.send(mailbox.rank(), Recipient::coordinator, "c");
  mailbox.send(mailbox.rank(), Recipient::worker, "w");

  EXPECT_EQ(wait_for(mailbox, Recipient::worker).bytes, "w");
  EXPECT_FALSE(mailbox.receive(Recipient::worker));
  EXPECT_EQ(wait_for(mailbox, Recipient::coordinator).bytes, "c");
  EXPECT_TRUE(mailbox.lost().empty());
}

RANK_TEST(Mailbox, ManyRanksAskOneThatAnswersFromAThread) {
  Mailbox mailbox(test::world());
  constexpr int questions = 200;
  std::jthread server;
  if (mailbox.rank() == 0) {
    server = std::jthread([&] {
      for (int left = questions * mailbox.size(); left > 0;) {
        auto const message = mailbox.receive(Recipient::coordinator);
        if (!message) continue;
        mailbox.send(message->from, Recipient::worker, message->bytes + "!");
        --left;
      }
    });
  }
  for (int i = 0; i < questions; ++i) {
    mailbox.send(0, Recipient::coordinator, std::to_string(i));
    EXPECT_EQ(wait_for(mailbox, Recipient::worker).bytes, std::to_string(i) + "!");
  }
  if (server.joinable()) server.join();
  test::world().barrier();
}

/// The last ranks of the world, without the first where there are several.
std::vector<int> some_ranks() {
  auto const size = test::world().size();
  std::vector<int> ranks(static_cast<std::size_t>(size > 1 ? size - 1 : 1));
  std::iota(ranks.rbegin(), ranks.rend(), size > 1 ? 1 : 0);  // in descending order
  return ranks;
}

RANK_TEST(Mailbox, GroupTalksWithoutTheOthers) {
  Mailbox mailbox(test::world());
  auto const ranks = some_ranks();
  auto const found = std::find(ranks.begin(), ranks.end(), mailbox.rank());
  if (found != ranks.end()) {
    auto const group = mailbox.group(ranks, 7, nothing);
    auto const me = static_cast<int>(found - ranks.begin());
    EXPECT_EQ(group.rank(), me);
    ASSERT_EQ(group.size(), std::ssize(ranks));
    auto const size = group.size();

    EXPECT_EQ(group.all_reduce_sum(me + 1), size * (size + 1) / 2);
    EXPECT_EQ(group.all_reduce_max(-me), 0);
    group.barrier();
    std::string const large(9'000'000, 'y');
    EXPECT_TRUE(group.broadcast(me == size - 1 ? large : "", size - 1) == large);
    auto const all = group.all_gather(std::string(static_cast<std::size_t>(me), 'z'));
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], std::string(i, 'z'));
    auto const gathered = group.gather(std::to_string(me), size - 1);
    EXPECT_EQ(std::ssize(gathered), me == size - 1 ? size : 0);
  }
  test::world().barrier();
}

RANK_TEST(Mailbox, GroupSumsGradientsOfAnyLength) {
  Mailbox mailbox(test::world());
  std::vector<int> ranks(static_cast<std::size_t>(mailbox.size()));
  std::iota(ranks.begin(), ranks.end(), 0);
  for (int number = 0; number < 3; ++number) {
    auto const group = mailbox.group(ranks, number, nothing);
    auto const reducer = make_reducer(group, at::kCPU);
    std::int64_t const size = group.size(), triangle = size * (size + 1) / 2;
    for (std::int64_t count : {0, 1, 2, 3, 5, 1'300'007}) {
      auto const values = at::arange(count, at::kLong).mul(group.rank() + 1).add((std::int64_t{1} << 53) + 1);
      auto const few = at::full({2}, group.rank(), at::kLong);
      reducer->add(values);
      reducer->add(few);
      reducer->finalize();
      EXPECT_TRUE(values.equal(at::arange(count, at::kLong).mul(triangle).add(size * ((std::int64_t{1} << 53) + 1)))) << count;
      EXPECT_TRUE(few.equal(at::full({2}, triangle - size, at::kLong)));
    }
  }
  test::world().barrier();
}

RANK_TEST(Mailbox, MemberThatStaysAwayDoesNotHoldTheOthers) {
  if (test::world().size() == 1) GTEST_SKIP() << "one rank has nobody to wait for";
  Mailbox mailbox(test::world());
  std::vector<int> ranks(static_cast<std::size_t>(mailbox.size()));
  std::iota(ranks.begin(), ranks.end(), 0);
  if (mailbox.rank() > 0) {
    auto const end = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
    auto const group = mailbox.group(ranks, 11, [&] {
      if (std::chrono::steady_clock::now() > end) throw RunError("enough");
    });
    auto const sums = group.sums();
    auto const values = std::make_shared<std::vector<std::int64_t>>(1'000'000, 1);
    sums->start(values->data(), std::ssize(*values), values);
    EXPECT_THROW(sums->finish(), RunError);
    EXPECT_THROW(static_cast<void>(make_reducer(group, at::kCPU)), RunError);
    EXPECT_THROW(static_cast<void>(group.broadcast("", 0)), RunError);
  }
  test::world().barrier();
  // What is left of that group does not reach the next one.
  auto const group = mailbox.group(ranks, 12, nothing);
  EXPECT_EQ(group.all_reduce_sum(1), mailbox.size());
  test::world().barrier();
}

}  // namespace
}  // namespace onemask
