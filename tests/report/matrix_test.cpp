#include "report/example_study.hpp"
#include "support/complaint.hpp"
#include <onemask/report/matrix.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Masks of relation P17 and of P17 and P30 together, each with two seeds, scored on both relations of the split heldout.
StudyMaker masks_of_relations() {
  StudyMaker study;
  double mean = 0.1;
  for (auto const* relations : {"P17", "[P17, P30]"}) {
    auto const settings = std::string("mask.train_relations=") + relations;
    for (auto const* seed : {"0", "1"}) {
      auto const name = settings + " mask.seed=" + seed;
      study.condition(name, "mask", "", settings, 0.1);
      study.rsr(name, "train", 1, 1, 1, 10);
      study.rsr(name, "heldout", mean + 0.05, mean, mean + 0.1, 20);
      for (auto const* relation : {"P17", "P30"}) {
        study.row(name, "heldout", "rewrite", "rsr", mean, mean - 0.05, mean + 0.05, 10, 10, relation);
        mean += 0.1;
      }
    }
  }
  return study;
}

TEST(Matrix, MasksOfRelationsOnRelations) {
  auto const report = make_matrices(masks_of_relations().file(), {});
  EXPECT_EQ(report.request.split, "heldout");
  ASSERT_EQ(report.matrices.size(), 1U);
  auto const& matrix = report.matrices.front();
  EXPECT_THAT(matrix.rows, ElementsAre("mask.train_relations=P17", "mask.train_relations=[P17, P30]"));
  EXPECT_THAT(matrix.columns, ElementsAre("P17", "P30", "all"));
  EXPECT_NEAR(matrix.cells[0][0].value->mean, 0.2, 1e-12);  // of 0.1 and 0.3
  EXPECT_NEAR(matrix.cells[0][1].value->high, 0.35, 1e-12);
  EXPECT_TRUE(matrix.cells[0][0].at_home);
  EXPECT_FALSE(matrix.cells[0][1].at_home);
  EXPECT_TRUE(matrix.cells[1][1].at_home);
  auto const text = to_text(matrix_document(report));
  EXPECT_THAT(text, HasSubstr("mask.train_relations    P17    P30    all\n"));
  EXPECT_THAT(text, HasSubstr("20.0*   30.0"));
  EXPECT_THAT(text, HasSubstr("15-25"));
  EXPECT_THAT(text, HasSubstr("Mean over 3 cells at home: 50.0 [45.0, 55.0].\nMean over 1 cell elsewhere: 30.0 [25.0, 35.0]."));
  EXPECT_EQ(matrix_table(report).rows(), 6U);
}

TEST(Matrix, WhereRelationsAreNotSweptMasksAreAtHomeOnThoseOfTheStudy) {
  StudyMaker study;
  study.condition("mask", "mask", "", "", 0.1);
  study.rsr("mask", "heldout", 0.5, 0.4, 0.6, 20);
  for (auto const* relation : {"P17", "P30"}) study.row("mask", "heldout", "rewrite", "rsr", 0.5, 0.4, 0.6, 10, 10, relation);
  auto file = study.file();
  auto const homes = [&] {
    auto const report = make_matrices(file, {"rsr", MatrixColumns::relation, "heldout"});
    auto const& cells = report.matrices.front().cells.front();
    return std::pair(cells[0].at_home, cells[1].at_home);
  };
  EXPECT_EQ(homes(), std::pair(true, true));
  file.attributes["train_relations"] = "P30, P36";
  EXPECT_EQ(homes(), std::pair(false, true));
}

/// Masks trained on east and on west, scored on both and on a third split.
StudyMaker masks_of_splits() {
  StudyMaker study;
  study.condition("original", "original");
  for (auto const* split : {"east", "west"}) {
    auto const name = std::string("mask.train_split=") + split;
    study.condition(name, "mask", "", name, 0.1);
    study.trained_on(split);
    for (auto const* on : {"east", "west", "heldout"}) study.rsr(name, on, on == std::string(split) ? 0.9 : 0.3, 0.2, 1, 20);
  }
  return study;
}

TEST(Matrix, MasksOfSplitsOnSplits) {
  auto const report = make_matrices(masks_of_splits().file(), {});
  EXPECT_EQ(report.request.columns, MatrixColumns::split);
  auto const& matrix = report.matrices.at(0);
  EXPECT_THAT(matrix.rows, ElementsAre("mask.train_split=east", "mask.train_split=west"));
  EXPECT_THAT(matrix.columns, ElementsAre("east", "west", "heldout"));
  for (std::size_t row = 0; row < 2; ++row) {
    for (std::size_t column = 0; column < 3; ++column) EXPECT_EQ(matrix.cells[row][column].at_home, row == column);
  }
  EXPECT_THAT(to_text(matrix_document(report)), HasSubstr("Mean over 2 cells at home: 90.0"));
}

TEST(Matrix, ACellThatIsNotOfAllFactsSaysOfHowMany) {
  auto study = masks_of_relations();
  study.condition("mask.train_relations=P30 mask.seed=0", "mask", "", "mask.train_relations=P30", 0.1);
  study.row("mask.train_relations=P30 mask.seed=0", "heldout", "rewrite", "rsr", 0.5, 0.1, 0.9, 3, 10, "P30");
  auto const text = to_text(matrix_document(make_matrices(study.file(), {})));
  EXPECT_THAT(text, HasSubstr("50.0* n 3"));
  EXPECT_THAT(text, HasSubstr(" -  "));
}

/// Two ways of editing whose names begin alike, each with a mask that is scored on both.
StudyMaker transferred() {
  StudyMaker study;
  for (auto const* on : {"edit.layer=1", "edit.layer=1 edit.v_lr=2"}) {
    for (auto const* of : {"edit.layer=1", "edit.layer=1 edit.v_lr=2"}) {
      bool const own = on == std::string(of);
      auto const name = std::string(of) + " mask" + (own ? "" : std::string(" on ") + on);
      study.condition(name, "mask", on, own ? "" : std::string("trained on ") + of, 0.1);
      study.rsr(name, "heldout", own ? 0.9 : 0.3, 0.2, 1, 20);
    }
  }
  return study;
}

TEST(Matrix, MasksOnOtherEdits) {
  auto const report = make_matrices(transferred().file(), {});
  ASSERT_EQ(report.matrices.size(), 1U);
  auto const& matrix = report.matrices.front();
  EXPECT_THAT(matrix.rows, ElementsAre("edit.layer=1", "edit.layer=1 edit.v_lr=2"));
  EXPECT_EQ(matrix.rows, matrix.columns);
  for (std::size_t row = 0; row < 2; ++row) {
    for (std::size_t column = 0; column < 2; ++column) {
      EXPECT_EQ(matrix.cells[row][column].at_home, row == column);
      EXPECT_EQ(matrix.cells[row][column].value->mean, row == column ? 0.9 : 0.3);
    }
  }
}

TEST(Matrix, APictureHasEveryCell) {
  auto const picture = matrix_picture(make_matrices(transferred().file(), {}));
  EXPECT_THAT(picture, HasSubstr(">90.0</text>"));
  EXPECT_THAT(picture, HasSubstr("fill-opacity=\"0.30\""));
  EXPECT_THAT(picture, HasSubstr("edit.layer=1 edit.v_lr=2"));
}

TEST(Matrix, WhatIsNotThereIsRefused) {
  auto const complaint = [](StudyFile const& study, MatrixRequest const& request) {
    return complaint_of([&] { make_matrices(study, request); });
  };
  auto const study = transferred().file();
  EXPECT_THAT(complaint(study, {"rsrr", {}, ""}), HasSubstr("'rsrr' is not a metric"));
  EXPECT_THAT(complaint(study, {"rsr", {}, "held"}), HasSubstr("no split 'held'"));
  StudyMaker none;
  none.condition("edited", "edited");
  none.rsr("edited", "heldout", 0.5, 0.4, 0.6, 10);
  EXPECT_THAT(complaint(none.file(), {}), HasSubstr("no mask that is scored"));
}

}  // namespace
}  // namespace onemask::test
