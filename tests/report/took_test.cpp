#include "report/example_study.hpp"
#include "support/complaint.hpp"
#include <onemask/report/table.hpp>
#include <onemask/report/took.hpp>

#include <cmath>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;
using testing::Not;

struct TookRow {
  double mean, low, high;
  std::int64_t n, planned;
};

std::optional<TookRow> took_row(StudyFile const& study, std::string const& condition, std::string const& metric) {
  auto const& table = study.tables.at("summary");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.values<std::string>("condition")[row] != condition || table.values<std::string>("metric")[row] != metric) continue;
    return TookRow{table.values<double>("mean")[row], table.values<double>("low")[row], table.values<double>("high")[row],
                   table.values<std::int64_t>("n")[row], table.values<std::int64_t>("planned")[row]};
  }
  return std::nullopt;
}

/// Of 8 facts the edits of 6 took, all but one with the new object as the likeliest token; the mask restores the first four, of
/// which it is not scored on the first.
StudyFile study_with_edits_that_took() {
  StudyMaker maker;
  maker.condition("original", "original"), maker.condition("edited", "edited"), maker.condition("mask", "mask");
  for (std::int64_t fact = 0; fact < 8; ++fact) {
    maker.fact("train");
    maker.score("original", fact, 1), maker.score("edited", fact, fact < 6 ? -2 : fact < 7 ? 1 : 0);
    if (fact > 0) maker.score("mask", fact, fact < 4 ? 1 : -1);
  }
  maker.rsr("original", "train", 1, 1, 1, 8), maker.rsr("edited", "train", 0.125, 0, 0.4, 8);
  maker.rsr("mask", "train", 3.0 / 7, 0, 1, 7, 8);
  auto study = maker.file();
  for (auto& [name, column] : study.tables.at("metrics").columns) {
    // The second row is of fact 0 under the edited model; of the unedited one two facts are not known.
    if (name == "rank_new") std::get<Integers>(column)[1] = 2;
    if (name == "rank_true") std::get<Integers>(column)[0] = std::get<Integers>(column)[2] = 5;
  }
  return study;
}

TEST(Took, SharesAndRsrOverTheFactsWhoseEditTook) {
  auto study = study_with_edits_that_took();
  add_took(study);
  auto const took = took_row(study, "edited", "took");
  ASSERT_TRUE(took);
  EXPECT_EQ(took->mean, 0.75);  // equal objects did not take
  EXPECT_EQ(took->n, 8);
  EXPECT_EQ(took->planned, 8);
  EXPECT_LT(took->low, 0.75);
  EXPECT_GT(took->high, 0.75);
  EXPECT_EQ(took_row(study, "edited", "took_top1")->mean, 0.625);
  EXPECT_EQ(took_row(study, "original", "known_top1")->mean, 0.75);
  EXPECT_EQ(took_row(study, "edited", "rsr_took")->mean, 0);
  auto const given = took_row(study, "mask", "rsr_took");
  EXPECT_EQ(given->mean, 0.6);  // facts 1 to 3 of 1 to 5
  EXPECT_EQ(given->n, 5);
  EXPECT_EQ(given->planned, 6);
  EXPECT_EQ(took_row(study, "mask", "rsr_took_top1")->planned, 5);
  EXPECT_FALSE(took_row(study, "mask", "took"));
}

TEST(Took, IsATableOfItsOwn) {
  auto study = study_with_edits_that_took();
  EXPECT_THAT(format_table(study), Not(HasSubstr("given took")));
  add_took(study);
  auto const text = format_table(study);
  EXPECT_THAT(text, HasSubstr("\ntook" + std::string(21, ' ') + "share %  "));
  EXPECT_THAT(text, HasSubstr("\nunedited\n  known" + std::string(21, ' ') + "75.0  "));
  EXPECT_THAT(text, HasSubstr("\n  RSR given took" + std::string(12, ' ') + "60.0  "));
  EXPECT_THAT(text, HasSubstr("RSR given took: RSR over the facts whose"));
}

TEST(Took, NoEditTook) {
  StudyMaker maker;
  maker.condition("original", "original"), maker.condition("edited", "edited");
  maker.fact("train"), maker.score("original", 0, 1), maker.score("edited", 0, 1);
  maker.rsr("original", "train", 1, 1, 1, 1), maker.rsr("edited", "train", 1, 1, 1, 1);
  auto study = maker.file();
  add_took(study);
  auto const given = took_row(study, "edited", "rsr_took");
  ASSERT_TRUE(given);
  EXPECT_TRUE(std::isnan(given->mean));
  EXPECT_EQ(given->n, 0);
  EXPECT_EQ(given->planned, 0);
  EXPECT_THAT(format_table(study), Not(HasSubstr("  RSR given took")));
  study.tables.erase("facts");
  EXPECT_THAT(complaint_of([&] { add_took(study); }), HasSubstr("no table 'facts'"));
}

}  // namespace
}  // namespace onemask::test
