#include "report/example_study.hpp"
#include "support/complaint.hpp"
#include <onemask/report/curve.hpp>
#include <onemask/report/export.hpp>
#include <onemask/statistics/proportion.hpp>

#include <cmath>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Masks of two seeds at 0, 10 and 40 % zeros on ten facts, of which they restore 0, 4 and 8 (seed 0), or 2, 6 and 10 (seed 1).
/// One random baseline beside each mask restores nothing.
StudyMaker study_of_shares() {
  StudyMaker study;
  study.condition("edited", "edited");
  Integers facts;
  for (int fact = 0; fact < 10; ++fact) {
    study.fact("heldout");
    facts.push_back(fact);
  }
  study.rsr("edited", "heldout", 0.1, 0, 0.3, 10);
  for (int seed = 0; seed < 2; ++seed) {
    std::size_t restored = seed == 0 ? 0 : 2;
    for (auto const& [share, zeros] : {std::pair("0.001", 0.0), {"0.4", 0.4}, {"0.1", 0.1}}) {
      auto const name = "mask.seed=" + std::to_string(seed) + " mask.zeros=" + share,
                 settings = std::string("mask.zeros=") + share;
      auto const count = restored + (zeros == 0.4 ? 8 : zeros == 0.1 ? 4 : 0);
      study.condition(name, "mask", "", settings, zeros);
      study.rsr(name, "heldout", static_cast<double>(count) / 10, 0.05, 0.95, 10);
      study.row(name, "heldout", "rewrite", "kl", zeros * 2 + seed, 0, 5, 10, 10);
      study.row(name, "heldout", "rewrite", "top1_changed", zeros, 0, 0.5, 10, 10);
      study.restored(name, facts, count);
      study.condition("random (" + name + ")", "random", "", settings, zeros);
      study.rsr("random (" + name + ")", "heldout", 0, 0, 0, 10);
      study.restored("random (" + name + ")", facts, 0);
    }
  }
  return study;
}

TEST(Curves, ByHand) {
  auto const curves = curves_of(study_of_shares().file());
  ASSERT_EQ(curves.size(), 3U);
  EXPECT_EQ(curves[0].label, "edited");
  EXPECT_EQ(curves[0].planned, 1U);
  EXPECT_FALSE(curves[0].area);
  auto const& mask = curves[1];
  EXPECT_EQ(mask.label, "edited + mask (mean of 2)");
  ASSERT_EQ(mask.points.size(), 3U);
  EXPECT_EQ(mask.points[1].zeros, 0.1);
  EXPECT_DOUBLE_EQ(mask.points[1].rsr.mean, 0.5);
  EXPECT_DOUBLE_EQ(mask.points[1].kl->mean, 0.7);
  EXPECT_DOUBLE_EQ(mask.points[2].top1_kept->mean, 0.6);
  EXPECT_DOUBLE_EQ(mask.points[2].top1_kept->low, 0.5);
  EXPECT_DOUBLE_EQ(mask.points[2].top1_kept->high, 1);
  // Trapezoids of 0.1, 0.5 and 0.9 over 0, 0.1 and 0.4: (0.3 · 0.1 + 0.7 · 0.3) / 0.4.
  ASSERT_TRUE(mask.area);
  EXPECT_NEAR(mask.area->mean, 0.6, 1e-12);
  EXPECT_EQ(mask.area->n, 10);
  EXPECT_LT(mask.area->low, 0.55);
  EXPECT_GT(mask.area->high, 0.65);
  EXPECT_EQ(curves[2].area->mean, 0);
  EXPECT_NEAR(curves[2].area->high, clopper_pearson(0, 10).high, 1e-12);
}

TEST(Curves, OfAPartialStudySayWhatIsMissing) {
  auto study = study_of_shares().file();
  study.attributes["status"] = "PARTIAL";
  // The largest masks have no scores yet.
  for (auto const* column : {"n"}) {
    auto& summary = study.tables.at("summary");
    auto const& names = summary.values<std::string>("condition");
    for (auto& [name, values] : summary.columns) {
      if (name != column) continue;
      for (std::size_t row = 0; row < names.size(); ++row) {
        if (names[row].find("mask.zeros=0.4") != std::string::npos) std::get<Integers>(values)[row] = 0;
      }
    }
  }
  auto const text = to_text(curve_document(study, curves_of(study)));
  EXPECT_THAT(text, AllOf(HasSubstr("PARTIAL: 13 of 14 tasks"), HasSubstr("0.0 to 10.0             2/3    30.0   [10.0, 55.0]")));
}

TEST(Curves, OtherSettingsAreOtherCurvesAndBaselinesHaveTheirOwnShares) {
  StudyMaker study;
  study.fact("heldout");
  for (std::string const epochs : {"1", "2"}) {
    for (std::string const threshold : {"0.5", "0.7"}) {
      auto const settings = "mask.epochs=" + epochs + " mask.threshold=" + threshold;
      study.condition(settings, "mask", "", settings, std::stod(threshold));
      study.rsr(settings, "heldout", 1, 1, 1, 1);
      study.condition("pruned " + settings, "pruned", "", settings, 0.3);
      study.rsr("pruned " + settings, "heldout", 1, 1, 1, 1);
    }
  }
  auto const curves = curves_of(study.file());
  ASSERT_EQ(curves.size(), 4U);
  EXPECT_EQ(curves[0].label, "edited + mask, mask.epochs=1");
  EXPECT_EQ(curves[1].label, "edited + mask, mask.epochs=2");
  EXPECT_EQ(curves[1].points.size(), 2U);
  EXPECT_FALSE(curves[1].area);      // the file has no scores by fact
  EXPECT_EQ(curves[2].planned, 1U);  // one share, scored beside two masks
}

TEST(Curves, NeedMasksOfSeveralSizes) {
  EXPECT_THAT(complaint_of([] { curves_of(example_study()); }), HasSubstr("Give mask.zeros a list"));
}

TEST(CurveTable, HasARowForEachPoint) {
  auto const study = study_of_shares().file();
  auto const table = curve_table(study, curves_of(study));
  EXPECT_EQ(table.rows(), 7U);
  auto const csv = to_csv(table);
  EXPECT_THAT(csv,
              HasSubstr("\nCOMPLETE,heldout,,mask,edited + mask (mean of 2),0.1,0.5,0.05,0.95,10,10,0.7,0,5,0.9,0.5,1,3,3,0.6"));
}

TEST(CurvePicture, LinesGoThroughThePoints) {
  auto const study = study_of_shares().file();
  auto const svg = curve_picture(study, curves_of(study));
  // 400 x 240 pixels: zeros of 0, 10 and 40 % with RSR of 10, 50 and 90 %.
  std::regex const line("<polyline class=\"mask curve\" points=\"([\\d.]+),([\\d.]+) ([\\d.]+),([\\d.]+) ([\\d.]+),([\\d.]+)\"");
  std::smatch at;
  ASSERT_TRUE(std::regex_search(svg, at, line)) << svg;
  EXPECT_NEAR(std::stod(at[3]) - std::stod(at[1]), 100, 0.02);
  EXPECT_NEAR(std::stod(at[5]) - std::stod(at[1]), 400, 0.02);
  EXPECT_NEAR(std::stod(at[2]) - std::stod(at[4]), 0.4 * 240, 0.02);
  EXPECT_NEAR(std::stod(at[4]) - std::stod(at[6]), 0.4 * 240, 0.02);
  EXPECT_THAT(svg, AllOf(HasSubstr(">Split heldout: RSR over KL<"), HasSubstr(">edited + random (mean of 2)<"),
                         HasSubstr("<polygon class=\"mask band\""), Not(HasSubstr("nan"))));
  EXPECT_EQ(svg, curve_picture(study, curves_of(study)));
}

}  // namespace
}  // namespace onemask::test
