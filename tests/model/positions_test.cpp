#include <onemask/core/error.hpp>
#include <onemask/model/positions.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

TEST(Positions, TheObjectsLastTokenTakesNone) {
  EXPECT_EQ(positions_of(5, 1), 5);
  EXPECT_EQ(positions_of(5, 3), 7);
  EXPECT_EQ(positions_of(0, 4), 3);
}

TEST(Positions, AsManyAsTheModelHas) {
  EXPECT_NO_THROW(require_positions(64, 64, "The prompt", "Give a shorter text."));
  EXPECT_NO_THROW(require_positions_of_fact(7, "It is", 60, 5, 64));
}

TEST(Positions, OneMoreIsRefusedWithASentence) {
  try {
    require_positions(65, 64, "The prompt", "Give a shorter text.");
    FAIL() << "65 positions fit into 64";
  } catch (UserError const& error) {
    EXPECT_STREQ(error.what(), "The prompt needs 65 positions, but the model has 64 positions. Give a shorter text.");
  }
  try {
    require_positions_of_fact(7, "It is", 60, 6, 64);
    FAIL() << "65 positions fit into 64";
  } catch (UserError const& error) {
    EXPECT_STREQ(error.what(),
                 "The record with case_id 7 has a prompt, 'It is', that together with its object needs 65 positions, but the "
                 "model has 64 positions. Leave the record out.");
  }
}

TEST(Positions, UsualSegment) {
  ModelConfig config{};
  config.positions = 128;
  EXPECT_EQ(usual_segment(config), 128);
  config.positions = 4096;
  EXPECT_EQ(usual_segment(config), 1024);
}

}  // namespace
}  // namespace onemask::test
