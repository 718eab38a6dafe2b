#include "support/temporary_folder.hpp"
#include <onemask/core/checkpoint_file.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

class CheckpointFileTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "new" / "work";
  CheckpointFile file_{path_};
};

TEST_F(CheckpointFileTest, GivesBackWhatWasWrittenLast) {
  EXPECT_FALSE(file_.read());
  std::string const bytes("a\0b\xff", 4);
  file_.write("older");
  file_.write(bytes);
  EXPECT_EQ(file_.read(), bytes);
  file_.write("");
  EXPECT_EQ(file_.read(), "");
  file_.remove();
  EXPECT_FALSE(file_.read());
  EXPECT_NO_THROW(file_.remove());
}

TEST_F(CheckpointFileTest, AFolderThatCannotBeMadeIsAFaultOfTheDisk) {
  write_file_atomically(folder_ / "new", "a file");
  EXPECT_THROW(file_.write("work"), DiskError);
}

TEST_F(CheckpointFileTest, OneThatCannotBeRemovedStays) {
  std::filesystem::create_directories(path_ / "full");
  EXPECT_NO_THROW(file_.remove());
  EXPECT_TRUE(std::filesystem::exists(path_ / "full"));
}

TEST_F(CheckpointFileTest, NoDamagedFileIsBelieved) {
  file_.write("forty-two bytes of work that took all night");
  auto const whole = read_file(path_);
  for (std::size_t const end :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, whole.size() - 1}) {
    write_file_atomically(path_, whole.substr(0, end));
    EXPECT_FALSE(file_.read()) << end;
  }
  for (std::size_t const place : {std::size_t{0}, std::size_t{63}, std::size_t{64}, whole.size() - 1}) {
    auto content = whole;
    content[place] = static_cast<char>(content[place] ^ 1);
    write_file_atomically(path_, content);
    EXPECT_FALSE(file_.read()) << place;
  }
  write_file_atomically(path_, whole + "x");
  EXPECT_FALSE(file_.read());
  write_file_atomically(path_, whole);
  EXPECT_TRUE(file_.read());
}

}  // namespace
}  // namespace onemask::test
