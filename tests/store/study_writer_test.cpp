#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/store/study_writer.hpp>

#include <csignal>
#include <string>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using Integers = std::vector<std::int64_t>;
using Numbers = std::vector<double>;
using Texts = std::vector<std::string>;

constexpr std::size_t rows = 150'000;  // more than two chunks
std::vector<ColumnForm> const form{{"fact", ColumnKind::integer}, {"kl", ColumnKind::real}, {"name", ColumnKind::text, 9}};

Table some_rows(std::size_t first, std::size_t count) {
  Integers facts;
  Numbers numbers;
  Texts names;
  for (auto i = first; i < first + count; ++i) {
    facts.push_back(static_cast<std::int64_t>(i) - 7);
    numbers.push_back(1 / static_cast<double>(i + 1));
    names.push_back(i % 3 == 0 ? "" : i % 3 == 1 ? "ü" : "name " + std::to_string(i % 1000));
  }
  return {{{"fact", facts}, {"kl", numbers}, {"name", names}}};
}

std::string write_in_blocks(std::filesystem::path const& file, std::size_t block) {
  StudyWriter writer(file);
  TableStream stream(writer, "metrics", form);
  for (std::size_t first = 0; first < rows; first += block) stream.append(some_rows(first, std::min(block, rows - first)));
  auto const sum = stream.close();
  writer.finish({{"status", "COMPLETE"}});
  return sum;
}

std::size_t files_in(std::filesystem::path const& folder) {
  auto const all = std::filesystem::directory_iterator(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(StudyWriter, WritesTheSameBytesHoweverTheRowsArrive) {
  test::TemporaryFolder const folder;
  auto const sum = write_in_blocks(folder / "whole.h5", rows);
  EXPECT_EQ(sum, checksum(some_rows(0, rows)));
  auto const whole = read_file(folder / "whole.h5");
  for (std::size_t const block : {997, 65'536, 65'537}) {
    EXPECT_EQ(write_in_blocks(folder / "blocks.h5", block), sum);
    EXPECT_TRUE(read_file(folder / "blocks.h5") == whole) << block;
  }
  auto const back = read_study_file(folder / "whole.h5");
  EXPECT_TRUE(back.tables.at("metrics") == some_rows(0, rows));
  EXPECT_EQ(back.attributes.at("status"), "COMPLETE");
  EXPECT_LT(whole.size(), rows * (8 + 8 + 9) / 2);  // compressed
}

TEST(StudyWriter, KeepsSeveralTablesOpen) {
  test::TemporaryFolder const folder;
  StudyWriter writer(folder / "study.h5");
  TableStream one(writer, "one", form), other(writer, "in/other", form), none(writer, "none", form);
  for (std::size_t first = 0; first < rows; first += 10'000) {
    one.append(some_rows(first, 10'000));
    if (first < 30'000) other.append(some_rows(first, 10'000));
  }
  writer.write("small", some_rows(0, 3));
  one.close();
  other.close();
  EXPECT_EQ(none.close(), checksum(some_rows(0, 0)));
  writer.finish({});
  auto const back = read_study_file(folder / "study.h5");
  EXPECT_TRUE(back.tables.at("one") == some_rows(0, rows));
  EXPECT_TRUE(back.tables.at("in/other") == some_rows(0, 30'000));
  EXPECT_TRUE(back.tables.at("none") == some_rows(0, 0));
  EXPECT_TRUE(back.tables.at("small") == some_rows(0, 3));
}

TEST(StudyWriter, ReadersGetOnlyTheTablesTheyAskFor) {
  test::TemporaryFolder const folder;
  StudyFile study;
  study.attributes["a"] = "b";
  study.tables["summary"] = some_rows(0, 5);
  study.tables["provenance/stages"] = some_rows(5, 2);
  study.tables["metrics"] = some_rows(0, 10);
  study.matrices["masks/0"] = {1, 2, {0, 1}, {}};
  write_study_file(folder / "study.h5", study);
  auto const back = read_study_file(folder / "study.h5", {"summary", "provenance/stages", "perplexity"});
  study.tables.erase("metrics");
  study.matrices.clear();
  EXPECT_TRUE(back == study);

  auto const second = some_rows(0, 10).columns[1];
  auto const column = read_study_file(folder / "study.h5", {"metrics/" + second.first, "metrics/none", "summary"});
  EXPECT_EQ(column.tables.size(), 2u);
  EXPECT_TRUE(column.tables.at("metrics") == (Table{{second}}));
  EXPECT_TRUE(column.tables.at("summary") == study.tables.at("summary"));
}

TEST(StudyWriter, LeavesWhatWasThereUntilItIsFinished) {
  test::TemporaryFolder const folder;
  write_study_file(folder / "study.h5", {{{"n", "1"}}, {}, {}});
  {
    StudyWriter writer(folder / "study.h5");
    TableStream stream(writer, "metrics", form);
    stream.append(some_rows(0, rows));
    EXPECT_EQ(files_in(folder.path()), 2U);
  }
  EXPECT_EQ(files_in(folder.path()), 1U);
  EXPECT_EQ(read_study_file(folder / "study.h5").attributes.at("n"), "1");
  write_in_blocks(folder / "study.h5", rows);
  EXPECT_EQ(files_in(folder.path()), 1U);
  EXPECT_EQ(read_study_file(folder / "study.h5").tables.at("metrics").rows(), rows);
}

TEST(StudyWriter, LeavesWhatWasThereWhenTheDiskIsFull) {
  test::TemporaryFolder const folder;
  write_study_file(folder / "study.h5", {{{"n", "1"}}, {}, {}});
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  for (rlim_t const most : {100, 4'000, 100'000, 300'000, 600'000}) {
    rlimit const limit{most, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::string said;
    try {
      write_in_blocks(folder / "study.h5", 10'000);
    } catch (RunError const& error) {
      said = error.what();
    }
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_THAT(said, testing::AllOf(testing::HasSubstr("study.h5"), testing::HasSubstr("File too large"))) << most;
    EXPECT_EQ(files_in(folder.path()), 1U) << most;
    EXPECT_EQ(read_study_file(folder / "study.h5").attributes.at("n"), "1");
  }
  EXPECT_THROW(StudyWriter(folder / "missing" / "study.h5"), RunError);
}

TEST(StudyWriter, RefusesRowsThatDoNotFitTheTable) {
  test::TemporaryFolder const folder;
  StudyWriter writer(folder / "study.h5");
  TableStream stream(writer, "t", {{"n", ColumnKind::integer}, {"text", ColumnKind::text, 3}});
  auto const refused = [&](Table const& block) {
    try {
      stream.append(block);
    } catch (UserError const& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refused({{{"n", Integers{1}}, {"text", Texts{"four"}}}}), testing::HasSubstr("4 bytes"));
  EXPECT_THAT(refused({{{"n", Integers{1, 2}}, {"text", Texts{"a"}}}}), testing::HasSubstr("2 values"));
  EXPECT_THAT(refused({{{"n", Numbers{1}}, {"text", Texts{"a"}}}}), testing::HasSubstr("'n'"));
  EXPECT_THAT(refused({{{"text", Texts{"a"}}, {"n", Integers{1}}}}), testing::HasSubstr("other columns"));
  EXPECT_THAT(refused({{{"n", Integers{1}}}}), testing::HasSubstr("other columns"));
  EXPECT_THAT(refused({{{"n", Integers{1}}, {"text", Texts{std::string("a\0", 2)}}}}), testing::HasSubstr("zero byte"));
  EXPECT_THROW(TableStream(writer, "t", form), UserError);
}

TEST(StudyWriter, AFewLongTextsDoNotMakeAColumnWide) {
  test::TemporaryFolder const folder;
  Texts notes(20'000, "short");
  notes[777] = std::string(100'000, 'n');
  StudyFile study;
  study.tables["tasks"] = {{{"note", notes}}};
  write_study_file(folder / "study.h5", study);
  EXPECT_TRUE(read_study_file(folder / "study.h5") == study);
  EXPECT_LT(std::filesystem::file_size(folder / "study.h5"), 3'000'000U);
}

}  // namespace
}  // namespace onemask
