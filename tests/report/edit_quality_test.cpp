#include "report/example_study.hpp"
#include "support/complaint.hpp"
#include <onemask/report/edit_quality.hpp>
#include <onemask/report/layer_plot.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::HasSubstr;

/// Two ways of editing on one split; nothing is scored of the second.
StudyFile two_ways() {
  test::StudyMaker study;
  for (auto const* set : {"a", "b"}) {
    study.condition(std::string("original (") + set + ")", "original", set);
    study.condition(std::string("edited (") + set + ")", "edited", set);
  }
  study.row("edited (a)", "probe", "rewrite", "success", 1, 0.9, 1, 4, 4);
  study.row("edited (a)", "probe", "paraphrase", "success", 0.5, 0.25, 0.75, 4, 4);
  study.row("edited (a)", "probe", "neighborhood", "success", 0.75, 0.5, 1, 3, 4);
  study.row("edited (a)", "probe", "all", "score", 0.6, 0.4, 0.8, 3, 4);
  study.row("edited (b)", "probe", "rewrite", "success", 1, 0.9, 1, 4, 4);
  auto file = study.file();
  // Fact 0 has two neighborhood prompts of KL 1 and 3, fact 1 one of 0.5; a rewrite counts nothing.
  file.tables["metrics"] = {{{"fact", test::Integers{0, 0, 0, 1, 0}},
                             {"condition", test::Integers{1, 1, 1, 1, 0}},
                             {"kind", test::Integers{0, 2, 2, 2, 2}},
                             {"kl", test::Numbers{100, 1, 3, 0.5, 7}}}};
  file.tables["perplexity"] = {{{"condition", test::Texts{"original (a)", "edited (a)"}},
                                {"split", test::Texts{"all", "probe"}},
                                {"nll", test::Numbers{1, 1}},
                                {"perplexity", test::Numbers{20, 25}},
                                {"n", test::Integers{9, 9}},
                                {"planned", test::Integers{9, 9}}}};
  return file;
}

TEST(EditQuality, IsReadByWayOfEditing) {
  auto const qualities = edit_qualities(two_ways(), "probe");
  ASSERT_EQ(qualities.size(), 1u);
  auto const& quality = qualities.at("a");
  EXPECT_EQ(quality.rewrite.mean, 1);
  EXPECT_EQ(quality.paraphrase.low, 0.25);
  EXPECT_EQ(quality.neighborhood.n, 3);
  EXPECT_EQ(quality.score.mean, 0.6);
  EXPECT_EQ(quality.neighborhood_kl, 1.25);
  EXPECT_EQ(quality.perplexity_ratio, 1.25);
  auto without = two_ways();
  without.tables.erase("perplexity");
  EXPECT_EQ(edit_qualities(without, "probe").at("a").perplexity_ratio, std::nullopt);
  EXPECT_TRUE(edit_qualities(two_ways(), "train").empty());
  without.tables.erase("metrics");
  EXPECT_THAT(test::complaint_of([&] { edit_qualities(without, "probe"); }), HasSubstr("metrics"));
}

TEST(LayerPlot, HasABarForEveryLayer) {
  auto const svg = layer_plot("rome on <model>", "Scores.", {{"3", {0.5, 0.25, 0.75, 8, 8}}, {"4", {0.75, 0.5, 1, 7, 8}, true}});
  EXPECT_THAT(svg, HasSubstr("<title>rome on &lt;model&gt;</title>"));
  EXPECT_THAT(svg, HasSubstr(">layer 3, n 8/8<"));
  EXPECT_THAT(svg, HasSubstr(">chosen: layer 4, n 7/8<"));
  EXPECT_THAT(svg, testing::ContainsRegex("<rect class=\"edited\".* width=\"200.00\""));
  EXPECT_THAT(svg, testing::ContainsRegex("<rect class=\"mask\".* width=\"300.00\""));
}

}  // namespace
}  // namespace onemask
