#include "report/example_study.hpp"
#include "report/finding.hpp"
#include <onemask/report/export.hpp>
#include <onemask/report/table.hpp>
#include <onemask/report/whole_training.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Ten training facts, of which a mask restores eight, five held back, of which it restores one and `scored` are scored, and two
/// held-out ones.
StudyFile study_with_facts_held_back(std::int64_t scored = 5) {
  StudyMaker maker;
  maker.condition("original", "original"), maker.condition("edited", "edited"), maker.condition("mask", "mask", "", "", 0.1);
  for (int fact = 0; fact < 17; ++fact) maker.fact(fact < 10 ? "train" : fact < 15 ? "validation" : "heldout");
  for (auto const* condition : {"original", "edited", "mask"}) {
    maker.rsr(condition, "train", 0.5, 0, 1, 10);
    maker.rsr(condition, "validation", 0.5, 0, 1, scored, 5);
    maker.rsr(condition, "heldout", 0.5, 0, 1, 2);
  }
  Integers const train{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, heldout{15, 16};
  Integers validation{10, 11, 12, 13, 14};
  validation.resize(static_cast<std::size_t>(scored));
  for (auto const& places : {train, validation, heldout}) {
    maker.restored("original", places, places.size());
    maker.restored("edited", places, 0);
  }
  maker.restored("mask", train, 8), maker.restored("mask", validation, 1), maker.restored("mask", heldout, 1);
  auto study = maker.file();
  study.tables["published"] = {{{"source", Texts{"A paper"}},
                                {"split", Texts{"train+validation"}},
                                {"model", Texts{"mask"}},
                                {"metric", Texts{"rsr"}},
                                {"value", Numbers{83}},
                                {"note", Texts{""}}}};
  return study;
}

TEST(WholeTraining, IsTheMeanOverBothSplits) {
  auto study = study_with_facts_held_back();
  add_whole_training(study);
  auto const text = format_table(study);
  // 9 of 15; of the bootstrap's 1000 means, 25 lie below 5 of 15 and 25 above 13.
  EXPECT_THAT(text, HasSubstr("Split train+validation\n"));
  EXPECT_THAT(text, HasSubstr("edited + mask     10.0   60.0   [33.3, 86.7]      15/15"));
  // 0.025^(1/15)
  EXPECT_THAT(text, HasSubstr("unedited           0.0  100.0  [78.2, 100.0]      15/15"));
  EXPECT_THAT(text, HasSubstr("others count as training facts"));
  EXPECT_LT(text.find("Split validation\n"), text.find("Split train+validation\n"));
  EXPECT_LT(text.find("Split train+validation\n"), text.find("Split heldout\n"));
  EXPECT_THAT(text, HasSubstr("edited + mask, train+validation, rsr: published 83.0 %"));
  EXPECT_THAT(text, HasSubstr("60.0 % [33.3, 86.7], n 15/15"));
  EXPECT_THAT(to_csv(study), HasSubstr("COMPLETE,mask,train+validation,all,rewrite,rsr,0.6,"));
  EXPECT_THAT(to_json(study), HasSubstr("\"train+validation\""));
}

TEST(WholeTraining, FactsThatAreNotScoredYetAreCounted) {
  auto study = study_with_facts_held_back(4);
  add_whole_training(study);
  EXPECT_THAT(format_table(study), HasSubstr("14/15"));
}

TEST(WholeTraining, ChangesNoFinding) {
  auto study = study_with_facts_held_back();
  auto const before = findings(study);
  add_whole_training(study);
  EXPECT_EQ(findings(study), before);
  EXPECT_THAT(format_table(study_with_facts_held_back()), Not(HasSubstr("Split train+validation")));
}

TEST(WholeTraining, IsNotKnownWhereSeveralSplitsAreTrainedOn) {
  auto study = study_with_facts_held_back();
  study.attributes["train_split"] = "train, heldout";
  add_whole_training(study);
  EXPECT_THAT(format_table(study), Not(HasSubstr("Split train+validation")));
}

}  // namespace
}  // namespace onemask::test
