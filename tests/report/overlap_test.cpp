#include "report/example_study.hpp"
#include "support/complaint.hpp"
#include <onemask/report/overlap.hpp>

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

ByteMatrix const mask_a{2, 4, {0, 0, 1, 1, 0, 1, 1, 1}, {}}, mask_b{2, 4, {1, 0, 0, 1, 0, 1, 1, 1}, {}};

TEST(Overlap, ByHand) {
  auto const overlap = overlap_of(mask_a, mask_b);
  EXPECT_DOUBLE_EQ(overlap.zeros_a, 3.0 / 8);
  EXPECT_DOUBLE_EQ(overlap.zeros_b, 3.0 / 8);
  EXPECT_DOUBLE_EQ(overlap.iou, 0.5);  // two of both, four of either
  EXPECT_DOUBLE_EQ(overlap.chance, (9.0 / 64) / (6.0 / 8 - 9.0 / 64));
  EXPECT_DOUBLE_EQ(overlap.lift, (2.0 / 8) / (9.0 / 64));
  EXPECT_DOUBLE_EQ(overlap.rows, 1);
  EXPECT_NEAR(overlap.columns, 0.1875 / std::sqrt(0.6875 * 0.1875), 1e-12);
  // Of the rows one has an IoU of 1/3, the other of 1.
  EXPECT_NEAR(overlap.interval.low, 1.0 / 3, 1e-12);
  EXPECT_NEAR(overlap.interval.high, 1, 1e-12);
}

TEST(Overlap, OfEqualAndOfForeignMasks) {
  auto const equal = overlap_of(mask_a, mask_a);
  EXPECT_DOUBLE_EQ(equal.iou, 1);
  EXPECT_DOUBLE_EQ(equal.columns, 1);
  ByteMatrix const nothing{2, 4, std::vector<std::uint8_t>(8, 1), {}};
  EXPECT_TRUE(std::isnan(overlap_of(nothing, nothing).iou));
  EXPECT_DOUBLE_EQ(overlap_of(mask_a, nothing).iou, 0);
  EXPECT_THAT(complaint_of([] { overlap_of(mask_a, {4, 2, mask_a.values, {}}); }), HasSubstr("2 x 4 and 4 x 2"));
}

TEST(Spread, ByHand) {
  auto const rows = spread_over_rows(mask_a);
  EXPECT_DOUBLE_EQ(rows.largest, 0.5);
  EXPECT_DOUBLE_EQ(rows.deviation, 0.125);
  EXPECT_DOUBLE_EQ(rows.by_chance, std::sqrt(0.375 * 0.625 / 4));
  EXPECT_NEAR(rows.gini, 1.0 / 6, 1e-12);
  EXPECT_THAT(rows.top, ElementsAre(Pair(0, 0.5), Pair(1, 0.25)));
  auto const columns = spread_over_columns(mask_a);
  EXPECT_THAT(columns.top, ElementsAre(Pair(0, 1), Pair(1, 0.5), Pair(2, 0), Pair(3, 0)));
  EXPECT_DOUBLE_EQ(columns.by_chance, std::sqrt(0.375 * 0.625 / 2));
  EXPECT_NEAR(columns.gini, (3 * 1 + 1 * 0.5) / (16 * 0.375), 1e-12);
}

StudyFile study_with_masks(std::string const& seed_of_b) {
  auto study = example_study();
  study.matrices.clear();
  auto const add = [&](ByteMatrix mask, std::string const& name, std::string const& seed, std::string const& object) {
    mask.attributes = {{"name", name}, {"seed", seed}, {"layers", "2"}, {"threshold", "0.7"}, {"object", object}};
    study.matrices.emplace("masks/" + std::to_string(study.matrices.size()), std::move(mask));
  };
  add(mask_a, "mask.seed=0", "0", "x");
  add(mask_b, "mask.seed=" + seed_of_b, seed_of_b, "y");
  return study;
}

TEST(OverlapDocument, ShowsPairsAndLines) {
  auto const text = to_text(overlap_document(study_with_masks("1"), {}, false));
  EXPECT_THAT(text, AllOf(HasSubstr("Overlap of masks, layer 2\nmasks "), HasSubstr("\ntwo seeds      1     37.5  0.500"),
                          HasSubstr("Zeros by row (hidden dimension), layer 2\n"), HasSubstr("0 1 2 3\n"),
                          Not(HasSubstr("Every pair")), Not(HasSubstr("the same seed"))));
  EXPECT_THAT(to_text(overlap_document(study_with_masks("1"), {}, true)),
              HasSubstr("\nmask.seed=0 | mask.seed=1     37.5     37.5  0.500  [0.333, 1.000]"));
  EXPECT_THAT(to_text(overlap_document(study_with_masks("0"), {}, false)), HasSubstr("Some of these masks have the same seed."));
}

TEST(OverlapDocument, OfARunInProgressShowsTheMasksThatAreThere) {
  auto study = study_with_masks("1");
  auto node = study.matrices.extract("masks/0");
  node.key() = "masks/12";
  study.matrices.insert(std::move(node));
  auto const text = to_text(overlap_document(study, {}, true));
  EXPECT_THAT(text, HasSubstr("mask.seed=1 | mask.seed=0"));
}

TEST(OverlapDocument, MasksOfOneSeedStandApart) {
  auto study = study_with_masks("1");
  auto third = mask_b;
  third.attributes = {
      {"name", "mask.seed=0 mask.epochs=3"}, {"seed", "0"}, {"layers", "2"}, {"threshold", "0.7"}, {"object", "z"}};
  study.matrices.emplace("masks/2", third);
  auto const text = to_text(overlap_document(study, {}, false));
  EXPECT_THAT(text, HasSubstr(" | mask.epochs=3, same seed      1"));
  EXPECT_THAT(text, HasSubstr(" | mask.epochs=3                 1"));
}

TEST(OverlapDocument, ShowsWhatTheObjectsSay) {
  MaskObjects objects;
  objects.ranks = {{"x", {2, 4, 6, 8}}, {"y", {4, 2, 8, 6}}};
  objects.changes = {{.mask = "mask.seed=0",
                      .layers = "2",
                      .edits = "",
                      .split = "heldout",
                      .zeros = 0.375,
                      .planned = 3,
                      .norm = {2, 10},
                      .at_zeros = {1, 6},
                      .size_at_zeros = {0.001, 0.003},
                      .size_elsewhere = {0.01, 0.02}}};
  auto const study = study_with_masks("1");
  auto const text = to_text(overlap_document(study, objects, true));
  // Shares of energy of 1/4 and 36/100, over two of three models.
  EXPECT_THAT(text, AllOf(HasSubstr("Changes by the edits at the zeros, layer 2\n"),
                          HasSubstr("\nmask.seed=0, heldout  6.00      3.50      30.5   [25.0, 36.0]         37.5        2/3"),
                          HasSubstr("             2         15\n"), Not(HasSubstr("mean size W"))))
      << text;
  EXPECT_THAT(text, HasSubstr("   0.60\n"));
  objects.weights["mask.seed=0"] = {0.02, 0.05};
  EXPECT_THAT(to_text(overlap_document(study, objects, false)), HasSubstr("         15           20         50\n"));
  objects = {};
  objects.note = "There is no folder.";
  EXPECT_THAT(to_text(overlap_document(study, objects, false)),
              AllOf(HasSubstr("\nThere is no folder.\n"), Not(HasSubstr("|dW|"))));
}

TEST(OverlapDocument, MasksOfOtherSizesAreNotCompared) {
  auto study = study_with_masks("1");
  study.matrices.at("masks/0").attributes["zeros"] = "0.1";
  study.matrices.at("masks/1").attributes["zeros"] = "0.2";
  EXPECT_THAT(to_text(overlap_document(study, {}, false)), Not(HasSubstr("Overlap of masks")));
  study.matrices.at("masks/1").attributes["zeros"] = "0.1";
  EXPECT_THAT(to_text(overlap_document(study, {}, false)), HasSubstr("Overlap of masks"));
}

TEST(OverlapDocument, NeedsAMask) {
  auto study = example_study();
  study.matrices.clear();
  EXPECT_THAT(complaint_of([&] { overlap_document(study, {}, false); }), HasSubstr("no mask yet"));
}

}  // namespace
}  // namespace onemask::test
