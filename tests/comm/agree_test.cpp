#include "support/world.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>

#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

/// What `agree` throws when `rank` fails with `Error("broken")`.
template <class Error, class Seen>
void expect_failure(int rank) {
  auto const comm = test::world();
  try {
    agree(comm, [&] {
      if (comm.rank() == rank) throw Error("broken");
    });
    FAIL() << "nothing was thrown";
  } catch (Seen const& error) {
    if (comm.rank() == rank) {
      EXPECT_STREQ(error.what(), "broken");
      EXPECT_NE(dynamic_cast<Error const*>(&error), nullptr);
    } else {
      EXPECT_EQ(error.what(), "rank " + std::to_string(rank) + ": broken");
    }
  }
}

RANK_TEST(Agree, LetsSuccessPass) {
  int runs = 0;
  agree(test::world(), [&] { ++runs; });
  EXPECT_EQ(runs, 1);
}

RANK_TEST(Agree, TellsAllRanksOfOneFailure) {
  for (int rank = 0; rank < test::world().size(); ++rank) {
    expect_failure<UserError, UserError>(rank);
    expect_failure<ShapeError, UserError>(rank);
    expect_failure<RunError, RunError>(rank);
    expect_failure<Interrupted, Interrupted>(rank);
  }
}

RANK_TEST(Agree, CallsOtherExceptionsRunErrors) {
  auto const comm = test::world();
  auto const work = [&] {
    if (comm.rank() == 0) throw std::out_of_range("index 7");
  };
  if (comm.rank() == 0) {
    EXPECT_THROW(agree(comm, work), std::out_of_range);
  } else {
    EXPECT_THROW(agree(comm, work), RunError);
  }
}

RANK_TEST(Agree, NamesTheLowestOfSeveralFailedRanks) {
  auto const comm = test::world();
  int const last = comm.size() - 1;
  try {
    agree(comm, [&] {
      if (comm.rank() != last || last == 0) throw RunError("broken on " + std::to_string(comm.rank()));
    });
    FAIL() << "nothing was thrown";
  } catch (RunError const& error) {
    EXPECT_EQ(std::string(error.what()),
              comm.rank() == last && last > 0 ? "rank 0: broken on 0" : "broken on " + std::to_string(comm.rank()));
  }
}

}  // namespace
}  // namespace onemask
