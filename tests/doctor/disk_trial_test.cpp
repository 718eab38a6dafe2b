#include "doctor/disk_trial.hpp"

#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>

#include <cstring>
#include <fstream>
#include <sys/mount.h>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// A small file system in memory.
class Mounted {
 public:
  explicit Mounted(std::filesystem::path const& place) : place_(place) {
    mounted_ = ::mount("tmpfs", place.c_str(), "tmpfs", 0, "size=1m") == 0;
  }
  ~Mounted() {
    if (mounted_) ::umount2(place_.c_str(), MNT_DETACH);
  }
  Mounted(Mounted const&) = delete;
  Mounted& operator=(Mounted const&) = delete;

  bool mounted() const { return mounted_; }
  bool make_read_only() const { return ::mount("tmpfs", place_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m") == 0; }

 private:
  std::filesystem::path place_;
  bool mounted_;
};

TEST(ScratchFolder, LeavesNothingBehind) {
  test::TemporaryFolder const folder;
  {
    ScratchFolder const scratch(folder / "a" / "run");
    std::ofstream(scratch.path() / "file") << "x";
    EXPECT_EQ(scratch.path().parent_path(), folder / "a" / "run");
    EXPECT_TRUE(std::filesystem::is_directory(scratch.path()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ScratchFolder, KeepsWhatWasThere) {
  test::TemporaryFolder const folder;
  std::filesystem::create_directory(folder / "empty");
  std::ofstream(folder / "file") << "mine";
  { ScratchFolder const scratch(folder / "empty"); }
  EXPECT_TRUE(std::filesystem::is_empty(folder / "empty"));
  EXPECT_THAT(test::complaint_of<RunError>([&] { ScratchFolder const scratch(folder / "file" / "run"); }),
              HasSubstr("Cannot make the folder"));
  EXPECT_EQ(read_file(folder / "file"), "mine");
}

TEST(ScratchFolder, KeepsWhatARunPutsBesideIt) {
  test::TemporaryFolder const folder;
  {
    ScratchFolder const scratch(folder / "run");
    std::ofstream(folder / "run" / "plan.json") << "{}";
  }
  EXPECT_EQ(read_file(folder / "run" / "plan.json"), "{}");
}

TEST(DiskTrial, WorksInAWritableFolder) {
  test::TemporaryFolder const folder;
  auto const trial = try_disk(folder.path());
  EXPECT_GT(trial.create, 0);
  EXPECT_GT(trial.sync, 0);
  EXPECT_GT(trial.rename, 0);
  EXPECT_GT(trial.rate, 1e3);
  EXPECT_EQ(std::filesystem::file_size(folder / "target"), 4096u);
  EXPECT_NO_THROW(try_study_file(folder.path()));
  EXPECT_GT(std::filesystem::file_size(folder / "study.h5"), 0u);
}

TEST(DiskTrial, NamesAFileSystem) {
  test::TemporaryFolder const folder;
  auto const system = file_system_of(folder.path());
  EXPECT_FALSE(system.type.empty());
  EXPECT_GE(system.size, system.free);
  EXPECT_GE(system.files, system.free_files);
  EXPECT_THAT(file_system_of("/proc").type, HasSubstr("0x00009fa0"));
  EXPECT_THAT(test::complaint_of<RunError>([&] { file_system_of(folder / "none"); }), HasSubstr(std::strerror(ENOENT)));
}

TEST(DiskTrial, TellsOfAFullDiskAndOfAReadOnlyOne) {
  test::TemporaryFolder const folder;
  Mounted const small(folder.path());
  if (!small.mounted()) GTEST_SKIP() << "a small file system cannot be mounted here: that needs root";
  auto const system = file_system_of(folder.path());
  EXPECT_EQ(system.type, "tmpfs");
  EXPECT_TRUE(system.in_memory);
  EXPECT_LE(system.free, 1u << 20);
  EXPECT_THAT(test::complaint_of<RunError>([&] { try_disk(folder.path()); }), HasSubstr(std::strerror(ENOSPC)));
  EXPECT_THAT(test::complaint_of<RunError>([&] { try_study_file(folder.path()); }), HasSubstr("No space left"));
  ASSERT_TRUE(small.make_read_only());
  EXPECT_THAT(test::complaint_of<RunError>([&] { ScratchFolder const scratch(folder / "run"); }),
              HasSubstr(std::strerror(EROFS)));
  EXPECT_THAT(test::complaint_of<RunError>([&] { ScratchFolder const scratch(folder.path()); }), HasSubstr(std::strerror(EROFS)));
}

TEST(DiskTrial, WaitsForAFileOfAnotherRank) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "a", "old");
  std::jthread const writer([&] {
    std::this_thread::sleep_for(500ms);
    write_file_atomically(folder / "a", "new");
  });
  EXPECT_GE(await_file(folder / "a", "new", 60s), 0.05);
  EXPECT_THAT(test::complaint_of<RunError>([&] { await_file(folder / "b", "x", 50ms); }), HasSubstr("is not seen here"));
}

}  // namespace
}  // namespace onemask
