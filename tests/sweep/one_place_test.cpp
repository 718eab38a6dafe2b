#include "sweep/one_place.hpp"

#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include "support/thread_ranks.hpp"
#include <onemask/core/error.hpp>

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::HasSubstr;

std::string complaint(std::function<RunOptions(int)> const& options_of_rank) {
  return test::complaint_of([&] {
    test::run_ranks(2, [&](Communicator const& world) {
      require_one_place(world, options_of_rank(world.rank()), std::chrono::milliseconds(100));
    });
  });
}

TEST(OnePlace, IsOneFolderOfOneCommand) {
  test::TemporaryFolder const folder;
  EXPECT_EQ(complaint([&](int) { return RunOptions{.folder = folder / "run", .objects = folder / "objects"}; }), "");
  EXPECT_TRUE(std::filesystem::is_empty(folder / "run") && std::filesystem::is_empty(folder / "objects"));
  EXPECT_THAT(complaint([&](int rank) {
                return RunOptions{.folder = folder / "run", .objects = {}, .last = rank == 0 ? Stage::gather : Stage::mask};
              }),
              HasSubstr("different commands"));
}

TEST(OnePlace, FoldersOfNodesTheirOwnAreRefused) {
  test::TemporaryFolder const folder;
  EXPECT_THAT(
      complaint([&](int rank) { return RunOptions{.folder = folder / std::to_string(rank), .objects = folder / "objects"}; }),
      HasSubstr("is not that of rank 0"));
}

}  // namespace
}  // namespace onemask
