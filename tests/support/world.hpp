#pragma once

#include <onemask/comm/communicator.hpp>

#include <functional>

#include <gtest/gtest.h>

namespace onemask::test {

/// The ranks that run this test together: those mpirun started, the threads of a RANK_TEST, or this process alone.
/// Threads that a rank starts take a copy along.
Communicator const& world();

/// Runs `body` on every rank: here where mpirun started them, else in as many threads as the option --threads=N of the test
/// program says, one unless it does.
void on_ranks(std::function<void()> const& body);

}  // namespace onemask::test

/// A TEST that runs on every rank, processes or threads.
#define RANK_TEST(suite, name)                         \
  static void suite##_##name##_on_rank();              \
  TEST(suite, name) {                                  \
    onemask::test::on_ranks(suite##_##name##_on_rank); \
  }                                                    \
  static void suite##_##name##_on_rank()

/// The same with a Fixture, a class of its own for every rank that it makes and destroys; it is no testing::Test.
#define RANK_TEST_F(Fixture, name)                                       \
  struct Fixture##_##name##_OnRank : Fixture {                           \
    void body();                                                         \
  };                                                                     \
  TEST(Fixture, name) {                                                  \
    onemask::test::on_ranks([] { Fixture##_##name##_OnRank().body(); }); \
  }                                                                      \
  void Fixture##_##name##_OnRank::body()
