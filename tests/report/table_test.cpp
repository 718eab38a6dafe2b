#include "report/example_study.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/table.hpp>

#include <algorithm>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using test::example_study;
using testing::HasSubstr;
using testing::Not;

std::string message_of(StudyFile const& study) {
  try {
    format_table(study);
  } catch (UserError const& error) {
    return error.what();
  }
  return "";
}

template <class T>
std::vector<T>& column(StudyFile& study, std::string const& table, std::string const& name) {
  auto& columns = study.tables.at(table).columns;
  auto const found = std::find_if(columns.begin(), columns.end(), [&](auto const& c) { return c.first == name; });
  return std::get<std::vector<T>>(found->second);
}

TEST(Table, ShowsEveryKindOfModelAndSaysWhatIsMissing) {
  EXPECT_EQ(format_table(example_study()), R"(EXPECTED_PLAIN)");
}

TEST(Table, ListsRelationsAndMasksWhenAsked) {
  auto const text = format_table(example_study(), {.by_relation = true, .per_mask = true});
  EXPECT_THAT(text, HasSubstr(R"(EXPECTED_MASKS)"));
  EXPECT_THAT(text, HasSubstr(R"(EXPECTED_RELATION)"));
  EXPECT_THAT(format_table(example_study(), {.per_mask = true}), Not(HasSubstr("P30")));
}

TEST(Table, OfACompleteStudyIsNotCalledPartial) {
  auto study = example_study();
  study.attributes["status"] = "COMPLETE";
  study.attributes["tasks_done"] = "14";
  auto const text = format_table(study);
  EXPECT_TRUE(text.starts_with("COMPLETE: 14 tasks\n"));
  EXPECT_THAT(text, Not(HasSubstr("PARTIAL")));
}

TEST(Table, NeedsNoStages) {
  auto study = example_study();
  study.tables.erase("provenance/stages");
  EXPECT_THAT(format_table(study), Not(HasSubstr("wall time")));
}

TEST(Table, FitsIn130ColumnsAlsoWithLongPoints) {
  auto study = example_study();
  std::string const point = "mask.seed=1 mask.learning_rate=0.0031622776601683794 edit.v_lr=0.5 edit.layer=5";
  column<std::string>(study, "conditions", "point")[3] = point;
  std::istringstream text(format_table(study, {.per_mask = true}));
  bool alone = false;
  for (std::string line; std::getline(text, line);) {
    EXPECT_LE(line.size(), 130u) << line;
    alone = alone || line == "  " + point;
  }
  EXPECT_TRUE(alone);
}

TEST(Table, AlignsByCharactersNotBytes) {
  auto study = example_study();
  column<std::string>(study, "conditions", "point")[2] = "mask.seed=ø";
  auto const text = format_table(study, {.per_mask = true});
  auto const with_two_bytes = text.find("  mask.seed=ø"), plain = text.find("  mask.seed=1");
  ASSERT_NE(with_two_bytes, std::string::npos);
  auto const length = [&](std::size_t start) { return text.find('\n', start) - start; };
  EXPECT_EQ(length(with_two_bytes), length(plain) + 1);
}

TEST(Table, NamesWhatAFileLacks) {
  auto study = example_study();
  study.attributes.erase("tasks_done");
  EXPECT_THAT(message_of(study), HasSubstr("no attribute 'tasks_done'"));

  study = example_study();
  study.attributes["status"] = "DONE";
  EXPECT_THAT(message_of(study), HasSubstr("'DONE'"));

  study = example_study();
  study.tables.erase("summary");
  EXPECT_THAT(message_of(study), HasSubstr("no table 'summary'"));

  study = example_study();
  column<std::string>(study, "conditions", "kind")[1] = "pruned";
  EXPECT_THAT(message_of(study), HasSubstr("'edited' is of kind 'pruned'"));

  study = example_study();
  column<double>(study, "summary", "low").pop_back();
  EXPECT_THAT(message_of(study), HasSubstr("column 'low' has 15 values"));

  study = example_study();
  study.tables.at("summary").columns.pop_back();
  EXPECT_THAT(message_of(study), HasSubstr("'planned'"));

  study = example_study();
  column<double>(study, "provenance/stages", "seconds").clear();
  EXPECT_THAT(message_of(study), HasSubstr("column 'seconds' has 0 values"));
}

}  // namespace
}  // namespace onemask
