#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/store/study_file.hpp>

#include <csignal>
#include <fstream>
#include <limits>
#include <string>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using Integers = std::vector<std::int64_t>;
using Numbers = std::vector<double>;
using Texts = std::vector<std::string>;

StudyFile example() {
  StudyFile study;
  study.attributes = {{"study", std::string(100'000, 's')}, {"version", "0.1.0"}, {"empty", ""}};
  study.tables["edits"] = {{{"subject", Texts{"Łódź", "", "x"}},
                            {"fact", Integers{std::numeric_limits<std::int64_t>::min(), 0, 7}},
                            {"efficacy", Numbers{0.1 + 0.2, -0.0, std::numeric_limits<double>::infinity()}}}};
  Table large{{{"loss", Numbers(50'000)}, {"step", Integers(50'000)}, {"text", Texts(50'000, "ab")}}};
  for (std::size_t i = 0; i < 50'000; ++i) {
    std::get<Numbers>(large.columns[0].second)[i] = 1.0 / static_cast<double>(i + 1);
    std::get<Integers>(large.columns[1].second)[i] = static_cast<std::int64_t>(i);
  }
  study.tables["mask/epochs/0"] = large;
  study.tables["none"] = {};
  study.tables["rows/none"] = {{{"b", Texts{}}, {"a", Integers{}}}};
  ByteMatrix bits{300, 1000, std::vector<std::uint8_t>(300'000), {{"seed", "3"}, {"name", "ü"}}};
  for (std::size_t i = 0; i < bits.values.size(); ++i) bits.values[i] = static_cast<std::uint8_t>(i * i >> 3);
  study.matrices["mask/bits"] = bits;
  study.matrices["tiny"] = {1, 3, {1, 2, 255}, {}};
  study.matrices["edits/zero"] = {0, 5, {}, {}};
  return study;
}

std::string message_of(StudyFile const& study) {
  test::TemporaryFolder const folder;
  try {
    write_study_file(folder / "study.h5", study);
  } catch (UserError const& error) {
    EXPECT_FALSE(std::filesystem::exists(folder / "study.h5"));
    return error.what();
  }
  return "";
}

TEST(StudyFile, ComesBackAsWritten) {
  test::TemporaryFolder const folder;
  auto const study = example();
  write_study_file(folder / "study.h5", study);
  auto const back = read_study_file(folder / "study.h5");
  EXPECT_EQ(back.attributes, study.attributes);
  EXPECT_TRUE(back.tables == study.tables);
  EXPECT_TRUE(back.matrices == study.matrices);
}

TEST(StudyFile, HasEqualBytesForEqualContent) {
  test::TemporaryFolder const folder;
  write_study_file(folder / "first.h5", example());
  write_study_file(folder / "second.h5", read_study_file(folder / "first.h5"));
  EXPECT_TRUE(read_file(folder / "first.h5") == read_file(folder / "second.h5"));
}

TEST(StudyFile, ReplacesAFileWholeOrNotAtAll) {
  test::TemporaryFolder const folder;
  StudyFile small;
  small.attributes["n"] = "1";
  write_study_file(folder / "study.h5", small);

  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit const limit{8192, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_THROW(write_study_file(folder / "study.h5", example()), RunError);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(read_study_file(folder / "study.h5") == small);

  write_study_file(folder / "study.h5", example());
  EXPECT_TRUE(read_study_file(folder / "study.h5") == example());
}

TEST(StudyFile, RefusesColumnsOfUnequalLength) {
  StudyFile study;
  study.tables["edits"] = {{{"fact", Integers{1, 2}}, {"efficacy", Numbers{0.5}}}};
  EXPECT_THAT(message_of(study),
              testing::AllOf(testing::HasSubstr("'edits'"), testing::HasSubstr("2 values"), testing::HasSubstr("has 1")));
}

TEST(StudyFile, RefusesAMatrixOfAnotherSize) {
  StudyFile study;
  study.matrices["bits"] = {2, 3, {1, 2, 3, 4, 5}, {}};
  EXPECT_THAT(message_of(study), testing::HasSubstr("[2, 3] has 5 values"));
  study.matrices["bits"] = {std::size_t{1} << 62, 4, {}, {}};  // the product wraps around to 0
  EXPECT_NE(message_of(study), "");
}

TEST(StudyFile, RefusesNamesAndTextsThatHdf5CannotHold) {
  auto const with_table = [](std::string const& path, std::string const& column, std::string const& text) {
    StudyFile study;
    study.tables[path] = {{{column, Texts{text}}}};
    return study;
  };
  EXPECT_EQ(message_of(with_table("a/b", "c", "text")), "");
  for (auto const* path : {"", "/", "a/", "/a", "a//b", ".", "a/.."})
    EXPECT_NE(message_of(with_table(path, "c", "text")), "") << path;
  for (auto const* column : {"", "a/b", "."}) EXPECT_NE(message_of(with_table("a", column, "text")), "") << column;
  EXPECT_THAT(message_of(with_table("a", "c", std::string("a\0b", 3))), testing::HasSubstr("zero byte"));

  auto twice = with_table("a", "c", "text");
  twice.tables["a"].columns.push_back(twice.tables["a"].columns.front());
  EXPECT_THAT(message_of(twice), testing::HasSubstr("'a/c'"));
  auto in_column = with_table("a", "c", "text");
  in_column.tables["a/c/d"] = {};
  EXPECT_NE(message_of(in_column), "");
  auto same = with_table("a", "c", "text");
  same.matrices["a"] = {1, 1, {0}, {}};
  EXPECT_NE(message_of(same), "");
}

TEST(StudyFile, RecognisesAFileThatWasCutOff) {
  test::TemporaryFolder const folder;
  write_study_file(folder / "whole.h5", example());
  std::string const whole = read_file(folder / "whole.h5");
  for (std::size_t const size : {std::size_t{0}, std::size_t{7}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    std::ofstream(folder / "cut.h5", std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    EXPECT_THROW(read_study_file(folder / "cut.h5"), UserError) << size;
  }
  EXPECT_THROW(read_study_file(folder / "missing.h5"), UserError);
}

TEST(StudyFile, RecognisesAFileThatWasAltered) {
  StudyFile study;
  study.tables["edits"] = {{{"fact", Integers(20, 5)}, {"score", Numbers(20, 0.25)}, {"text", Texts(20, "abc")}}};
  study.matrices["bits"] = {20, 30, std::vector<std::uint8_t>(600, 9), {}};
  test::TemporaryFolder const folder;
  write_study_file(folder / "whole.h5", study);
  EXPECT_TRUE(read_study_file(folder / "whole.h5") == study);
  std::string const whole = read_file(folder / "whole.h5");
  for (std::size_t place = 0; place < whole.size(); place += 11) {
    std::string altered = whole;
    altered[place] = static_cast<char>(altered[place] ^ 0x10);
    std::ofstream(folder / "altered.h5", std::ios::binary | std::ios::trunc) << altered;
    EXPECT_THROW(read_study_file(folder / "altered.h5"), UserError) << place;
  }
}

TEST(Table, FindsItsColumns) {
  Table const table{{{"fact", Integers{1, 2}}, {"score", Numbers{0.5, 1}}}};
  EXPECT_EQ(table.rows(), 2U);
  EXPECT_EQ(Table{}.rows(), 0U);
  EXPECT_EQ(table.find("missing"), nullptr);
  EXPECT_THAT(table.values<double>("score"), testing::ElementsAre(0.5, 1));
  EXPECT_THROW(table.values<double>("fact"), UserError);
  EXPECT_THROW(table.values<double>("missing"), UserError);
}

TEST(Table, HasAChecksumOfItsContent) {
  Table const table{{{"a", Integers{1, 2}}, {"b", Texts{"x", "yz"}}}};
  std::string const expected = checksum(table);
  EXPECT_EQ(expected.size(), 64U);
  EXPECT_EQ(checksum(Table(table)), expected);
  EXPECT_NE(checksum({{{"a", Integers{1, 3}}, {"b", Texts{"x", "yz"}}}}), expected);
  EXPECT_NE(checksum({{{"a", Integers{1, 2}}, {"b", Texts{"xy", "z"}}}}), expected);
  EXPECT_NE(checksum({{{"a", Numbers{1, 2}}, {"b", Texts{"x", "yz"}}}}), expected);
  EXPECT_NE(checksum({{{"b", Texts{"x", "yz"}}, {"a", Integers{1, 2}}}}), expected);
  EXPECT_NE(checksum({{{"a", Integers{1, 2}}, {"c", Texts{"x", "yz"}}}}), expected);
}

}  // namespace
}  // namespace onemask
