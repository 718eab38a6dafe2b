#include <onemask/core/text.hpp>

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

TEST(DidYouMean, NamesTheNearestCandidate) {
  std::vector<std::string> const keys{"epochs", "batch_size", "seed", "learning_rate"};
  EXPECT_EQ(did_you_mean("epoch", keys), " Did you mean 'epochs'?");
  EXPECT_EQ(did_you_mean("lerning-rate", keys), " Did you mean 'learning_rate'?");
  EXPECT_EQ(did_you_mean("sede", keys), " Did you mean 'seed'?");
  EXPECT_EQ(did_you_mean("seeds", {"seedling", "seed"}), " Did you mean 'seed'?");
}

TEST(DidYouMean, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(did_you_mean("temperature", {"epochs", "seed"}), "");
  EXPECT_EQ(did_you_mean("xyz", {"abc"}), "");
  EXPECT_EQ(did_you_mean("", {"epochs"}), "");
  EXPECT_EQ(did_you_mean("epochs", {}), "");
  EXPECT_EQ(did_you_mean(std::string(1000000, 'x'), {"epochs"}), "");
}

TEST(FormatDuration, SpeaksTheUnitThatFits) {
  EXPECT_EQ(format_duration(0.42), "0.42 s");
  EXPECT_EQ(format_duration(9.996), "10 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(80), "1 min 20 s");
  EXPECT_EQ(format_duration(3599.9), "1 h 00 min");
  EXPECT_EQ(format_duration(3 * 3600 + 5 * 60), "3 h 05 min");
  EXPECT_EQ(format_duration(50 * 3600), "2 d 02 h");
}

TEST(FormatDuration, SurvivesAnyNumber) {
  EXPECT_EQ(format_duration(-1), "0.00 s");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "unknown");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::quiet_NaN()), "unknown");
}

TEST(FormatBytes, SpeaksTheUnitThatFits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(999.7), "1.0 kB");
  EXPECT_EQ(format_bytes(12345), "12 kB");
  EXPECT_EQ(format_bytes(1.5e9), "1.5 GB");
  EXPECT_EQ(format_bytes(999.9e6), "1.0 GB");
}

TEST(SplitText, KeepsEmptyPieces) {
  EXPECT_THAT(split_text("a,b,,c", ','), testing::ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(split_text("a,", ','), testing::ElementsAre("a", ""));
  EXPECT_THAT(split_text("", ','), testing::ElementsAre(""));
  EXPECT_THAT(split_text("mask.seed", ','), testing::ElementsAre("mask.seed"));
}

TEST(ParseDuration, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_duration("90"), 90);
  EXPECT_EQ(parse_duration("1.5s"), 1.5);
  EXPECT_EQ(parse_duration("15m"), 900);
  EXPECT_EQ(parse_duration("2h"), 7200);
  EXPECT_EQ(parse_duration("1d"), 86400);
  EXPECT_EQ(parse_duration("3:50:00"), 13800);
  EXPECT_EQ(parse_duration("1-12:00:30"), 129630);
  for (auto const* text : {"", "0", "-5", "5 m", "5w", "1:30", "1-2", "a", "0:00:00", "5mm", "1e5"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

}  // namespace
}  // namespace onemask
