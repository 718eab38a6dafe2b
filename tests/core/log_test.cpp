#include "support/temporary_folder.hpp"
#include <onemask/core/build_info.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/progress.hpp>

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// What `speak` writes to stderr.
template <typename Speak>
std::string heard(Speak const& speak) {
  testing::internal::CaptureStderr();
  speak();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, OnlyRankZeroSpeaksExceptForWarnings) {
  auto const speak = [] {
    log_info("all well");
    log_warning("not so well");
    log_error("ill");
  };
  configure_log(2, 4);
  EXPECT_THAT(heard(speak),
              AllOf(Not(HasSubstr("all well")), HasSubstr("rank 2 warning: not so well"), HasSubstr("rank 2 error: ill")));
  configure_log(0, 4);
  EXPECT_THAT(heard(speak), AllOf(HasSubstr("rank 0 info: all well"), HasSubstr("not so well")));
}

TEST(Log, TakesAMessageAsItIs) {
  configure_log(0, 4);
  EXPECT_THAT(heard([] { log_info("{} {0:d} %v %s \\"); }), HasSubstr("{} {0:d} %v %s \\"));
}

TEST(Log, WritesEverythingToTheFile) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "log", "from an earlier start\n");
  configure_log(3, 4);
  open_log_file(folder / "log");
  heard([] {
    log_info("quiet");
    log_warning("loud");
  });
  EXPECT_THAT(read_file(folder / "log"),
              AllOf(HasSubstr("earlier start"), HasSubstr("rank 3 info: quiet"), HasSubstr("rank 3 warning: loud")));
}

TEST(Log, LeavesTheFileBefore) {
  test::TemporaryFolder const folder;
  configure_log(0, 1);
  open_log_file(folder / "first");
  open_log_file(folder / "second");
  heard([] { log_info("of the second"); });
  EXPECT_EQ(read_file(folder / "first"), "");
  EXPECT_THAT(read_file(folder / "second"), HasSubstr("of the second"));
}

TEST(Log, NamesTheFileThatCannotBeOpened) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "file", "no folder");
  EXPECT_THAT([&] { open_log_file(folder / "file" / "log"); }, testing::ThrowsMessage<RunError>(HasSubstr("file/log")));
}

TEST(Progress, SaysWhatWasDoneOnOneLineWhereThereIsNoTerminal) {
  configure_log(0, 1);
  std::string const lines = heard([] {
    Progress progress("editing", "edits", 200, 50);
    for (int i = 0; i < 70; ++i) progress.advance();
  });
  EXPECT_THAT(lines, AllOf(HasSubstr("editing: 120 of 200 edits in "), HasSubstr("50 of them done before")));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1);
}

TEST(BuildInfo, TellsWhatResultFilesRecord) {
  EXPECT_THAT(build_info(),
              testing::UnorderedElementsAre(testing::Pair("version", version()), testing::Key("revision"),
                                            testing::Key("build_type"), testing::Key("libtorch"), testing::Key("compiler")));
  for (auto const& [key, value] : build_info()) EXPECT_FALSE(value.empty()) << key;
}

}  // namespace
}  // namespace onemask
