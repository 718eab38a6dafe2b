#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/mapped_file.hpp>
#include <onemask/core/new_file.hpp>
#include <onemask/core/posix_file.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::size_t files_in(std::filesystem::path const& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/// A disk that takes `bytes` of a file and no more, until the end of the scope.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit const now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(FullDisk const&) = delete;
  FullDisk& operator=(FullDisk const&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(File, ComesBackAsItWasWritten) {
  test::TemporaryFolder const folder;
  std::string every_byte(200000, '\0');
  for (std::size_t i = 0; i < every_byte.size(); ++i) every_byte[i] = static_cast<char>(i * 7);
  for (std::string const& content : {std::string(), std::string("one\n"), every_byte}) {
    write_file_atomically(folder / "file", content);
    EXPECT_EQ(read_file(folder / "file"), content);
  }
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(File, IsWrittenToTheCurrentFolderToo) {
  test::TemporaryFolder const folder;
  std::filesystem::path const before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("file", "here");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(folder / "file"), "here");
}

TEST(ReadFile, NamesWhatCannotBeRead) {
  test::TemporaryFolder const folder;
  EXPECT_THAT([&] { read_file(folder / "absent.yaml"); },
              ThrowsMessage<UserError>(testing::AllOf(HasSubstr("absent.yaml"), HasSubstr("No such file"))));
  EXPECT_THAT([&] { read_file(folder.path()); }, ThrowsMessage<UserError>(HasSubstr("directory")));
}

TEST(WriteFileAtomically, KeepsTheOldFileWhenTheDiskIsFull) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "state", "old");
  {
    FullDisk const disk(1000);
    EXPECT_THAT([&] { write_file_atomically(folder / "state", std::string(5000, 'n')); },
                ThrowsMessage<RunError>(testing::AllOf(HasSubstr("state"), HasSubstr("free some space"))));
  }
  EXPECT_EQ(read_file(folder / "state"), "old");
  EXPECT_EQ(files_in(folder.path()), 1U) << "the part that was written is still there";
}

TEST(WriteFileAtomically, RefusesWhatIsNoFile) {
  test::TemporaryFolder const folder;
  EXPECT_THROW(write_file_atomically(folder / "absent" / "file", "x"), RunError);
  EXPECT_THROW(write_file_atomically(folder.path().string() + "/", "x"), RunError);
  std::filesystem::create_directory(folder / "folder");
  EXPECT_THROW(write_file_atomically(folder / "folder", "x"), RunError);
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(NewFile, HoldsWhatWasWrittenUnderItsTemporaryNameBefore) {
  test::TemporaryFolder const folder;
  NewFile file(folder / "file");
  std::ofstream(file.temporary()) << "theirs, ";
  file.write("ours");
  EXPECT_FALSE(std::filesystem::exists(folder / "file"));
  file.appear();
  EXPECT_EQ(read_file(folder / "file"), "theirs, ours");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(NewFile, LeavesNothingWhenItDoesNotAppear) {
  test::TemporaryFolder const folder;
  {
    NewFile file(folder / "file");
    file.write("a part");
    EXPECT_EQ(files_in(folder.path()), 1U);
  }
  EXPECT_EQ(files_in(folder.path()), 0U);
}

TEST(PosixFile, ReadsPiecesUpToTheEnd) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "file", "abcde");
  PosixFile file(folder / "file", PosixFile::Mode::read);
  std::string piece(3, ' ');
  EXPECT_EQ(file.size(), 5U);
  EXPECT_EQ(file.read(piece.data(), 3), 3U);
  EXPECT_EQ(piece, "abc");
  EXPECT_EQ(file.read(piece.data(), 3), 2U);
  EXPECT_EQ(piece, "dec");
  EXPECT_EQ(file.read(piece.data(), 3), 0U);
}

TEST(PosixFile, IsLockedByOneOrSharedByMany) {
  test::TemporaryFolder const folder;
  PosixFile first(folder / "lock", PosixFile::Mode::lock), second(folder / "lock", PosixFile::Mode::lock);
  EXPECT_TRUE(first.try_lock(PosixFile::Lock::exclusive));
  EXPECT_FALSE(second.try_lock(PosixFile::Lock::shared));
  first.close();
  EXPECT_TRUE(second.try_lock(PosixFile::Lock::shared));
  EXPECT_TRUE(PosixFile(folder / "lock", PosixFile::Mode::read).try_lock(PosixFile::Lock::shared));
}

TEST(PosixFile, ErrorsNameTheFileAndTheReason) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "there", "");
  EXPECT_THAT([&] { PosixFile(folder / "there", PosixFile::Mode::create, "its name"); },
              ThrowsMessage<DiskError>(testing::AllOf(HasSubstr("its name"), HasSubstr("File exists"))));
  EXPECT_THAT([&] { PosixFile(folder / "absent", PosixFile::Mode::folder); },
              ThrowsMessage<DiskError>(testing::AllOf(HasSubstr("absent"), HasSubstr("No such file"))));
}

TEST(PosixFile, ANameThatCannotBeSynchronisedIsThatOfTheFile) {
  test::TemporaryFolder const folder;
  EXPECT_NO_THROW(sync_name("here, whether it is there or not"));
  EXPECT_THAT([&] { sync_name(folder / "absent" / "file"); },
              ThrowsMessage<DiskError>(testing::AllOf(HasSubstr("absent/file' was written, but"), HasSubstr("No such file"))));
}

TEST(MappedFile, ShowsTheContent) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "file", "content");
  write_file_atomically(folder / "empty", "");
  EXPECT_EQ(MappedFile(folder / "file").content(), "content");
  EXPECT_EQ(MappedFile(folder / "empty").content(), "");
  EXPECT_THAT([&] { MappedFile(folder.path()); }, ThrowsMessage<UserError>(HasSubstr("not a regular file")));
}

TEST(WriteFileAtomically, NeverShowsAPartEvenWhenTheWriterIsKilled) {
  test::TemporaryFolder const folder;
  std::size_t const size = 1 << 20;
  write_file_atomically(folder / "file", std::string(size, 'a'));
  pid_t const writer = ::fork();
  ASSERT_GE(writer, 0);
  if (writer == 0) {
    for (char letter = 'a';; letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1)) {
      write_file_atomically(folder / "file", std::string(size, letter));
    }
  }
  bool changed = false;
  auto const end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  for (int i = 0; i < 100 || (!changed && std::chrono::steady_clock::now() < end); ++i) {
    std::string const seen = read_file(folder / "file");
    EXPECT_EQ(seen.size(), size);
    EXPECT_EQ(static_cast<std::size_t>(std::count(seen.begin(), seen.end(), seen.front())), seen.size());
    changed = changed || seen.front() != 'a';
    ::usleep(2000);
  }
  ::kill(writer, SIGKILL);
  ::waitpid(writer, nullptr, 0);
  EXPECT_TRUE(changed) << "the writer did not write while it was watched";
  EXPECT_EQ(read_file(folder / "file").size(), size);
}

}  // namespace
}  // namespace onemask
