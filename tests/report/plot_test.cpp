#include "report/example_study.hpp"
#include "report/is_xml.hpp"
#include <onemask/report/plot.hpp>

#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> all_of(std::string const& text, std::string const& pattern) {
  std::regex const expression(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match) found.push_back((*match)[1]);
  return found;
}

TEST(Plot, BarsAndWhiskersAreAsLongAsTheNumbersSay) {
  auto const svg = to_svg(example_study());
  EXPECT_TRUE(is_xml(svg));
  EXPECT_FALSE(is_xml(svg + "<"));
  // Unedited 100 %, edited 5 %, the mean of two masks 75 % [55, 90], random 10 %, on 400 pixels; what has no score has no bar.
  EXPECT_THAT(all_of(svg, R"re(<rect class="\w+" x="[\d.]+" y="[\d.]+" width="([\d.]+)")re"),
              testing::ElementsAre("400.00", "20.00", "300.00", "40.00"));
  EXPECT_THAT(all_of(svg, R"re(<rect class="(\w+)" x)re"), testing::ElementsAre("original", "edited", "mask", "random"));
  auto const left = std::stod(all_of(svg, R"re(<rect class="mask" x="([\d.]+)")re").at(0));
  auto const from = all_of(svg, R"re(<line class="whisker" x1="([\d.]+)")re"),
             to = all_of(svg, R"re(<line class="whisker" x1="[\d.]+" y1="[\d.]+" x2="([\d.]+)")re");
  ASSERT_EQ(from.size(), 12u);  // an interval and its two ends, four times
  EXPECT_NEAR(std::stod(from[6]), left + 220, 0.02);
  EXPECT_NEAR(std::stod(to[6]), left + 360, 0.02);
  EXPECT_THAT(svg, HasSubstr(">edited + mask (mean of 2), n 10/20<"));
  EXPECT_THAT(svg, HasSubstr(">75.0 % [55.0, 90.0]<"));
  EXPECT_THAT(svg, HasSubstr("PARTIAL: 13 of 14 tasks<"));
  EXPECT_EQ(svg, to_svg(example_study()));
}

TEST(Plot, EscapesWhatXmlDoesNotHold) {
  auto study = example_study();
  study.attributes["status"] = "COMPLETE";
  study.attributes["name"] = "a <b> & \"c\" \x01\xff \xEF\xBF\xBF ø";
  auto const svg = to_svg(study);
  EXPECT_TRUE(is_xml(svg));
  EXPECT_THAT(svg, HasSubstr("<title>a &lt;b&gt; &amp; &quot;c&quot;"));
  EXPECT_THAT(svg, HasSubstr("ø</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("PARTIAL")));
}

TEST(Plot, ABlockForEverySplitAndWayOfEditing) {
  StudyMaker study;
  for (std::string const set : {"edit.v_lr=0.5", "edit.v_lr=1"}) {
    study.condition("edited " + set, "edited", set);
    for (std::string const split : {"train", "heldout"}) study.rsr("edited " + set, split, 0.25, 0.2, 0.3, 10);
  }
  auto const svg = to_svg(study.file());
  EXPECT_THAT(all_of(svg, "class=\"block\">([^<]*)<"),
              testing::ElementsAre("Split train, edit.v_lr=0.5", "Split train, edit.v_lr=1", "Split heldout, edit.v_lr=0.5",
                                   "Split heldout, edit.v_lr=1"));
  EXPECT_EQ(all_of(svg, "(width=\"100.00\" height=\"14.00\")").size(), 4u);
}

TEST(Plot, SaysThatNothingIsScoredYet) {
  StudyMaker study;
  study.condition("mask", "mask");
  auto const svg = to_svg(study.file());
  EXPECT_TRUE(is_xml(svg));
  EXPECT_THAT(svg, HasSubstr("Nothing is scored yet."));
}

}  // namespace
}  // namespace onemask::test
