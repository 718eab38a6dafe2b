#include "support/complaint.hpp"
#include <onemask/core/error.hpp>
#include <onemask/world/grammar.hpp>

#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::HasSubstr;

std::string message_of(Grammar::Rules const& rules) {
  return test::complaint_of([&] {
    RandomStream random({1});
    Grammar(rules, "world.yaml").expand("a", random);
  });
}

TEST(Grammar, FillsReferencesAndCapitals) {
  RandomStream random({1});
  Grammar const grammar({{"a", {"<B><b>, <C>"}}, {"b", {"to<c>"}}, {"c", {"x"}}}, "");
  EXPECT_EQ(grammar.expand("a", random), "Toxtox, X");
}

TEST(Grammar, DrawsAlternativesEvenlyAndRepeatedOnesMoreOften) {
  RandomStream random({2});
  Grammar const grammar({{"a", {"x", "y", "y", "z"}}}, "");
  std::map<std::string, int> seen;
  for (int i = 0; i < 4000; ++i) ++seen[grammar.expand("a", random)];
  EXPECT_NEAR(seen["x"], 1000, 120);
  EXPECT_NEAR(seen["y"], 2000, 150);
  EXPECT_NEAR(seen["z"], 1000, 120);
}

TEST(Grammar, RecursionEndsBelowTheFreeLevels) {
  RandomStream random({3});
  Grammar const grammar({{"a", {"x<a>", "x<a>", "x<b>"}}, {"b", {"<a>", "<c>."}}, {"c", {""}}}, "");
  for (int i = 0; i < 200; ++i) {
    auto const text = grammar.expand("a", random);
    EXPECT_TRUE(text.ends_with("x."));
    EXPECT_LE(text.size(), 45U);
  }
}

TEST(Grammar, RefusesWhatCannotBeExpanded) {
  EXPECT_THAT(message_of({{"a", {"<plase>"}}, {"place", {"x"}}}),
              HasSubstr("<plase> refers to no symbol. Did you mean 'place'?"));
  EXPECT_THAT(message_of({{"a", {"x <a"}}}), HasSubstr("has a < without >"));
  EXPECT_THAT(message_of({{"a", {}}}), HasSubstr("'a' has no alternatives"));
  EXPECT_THAT(message_of({{"a", {"<b>"}}, {"b", {"x<a>", "<b>"}}}), HasSubstr("'a' never ends"));
  EXPECT_THAT(message_of({{"b", {"x"}}}), HasSubstr("no symbol 'a'"));
  EXPECT_THAT(message_of({{"a", {"<a><a>", "<a><a><a>", ""}}}), HasSubstr("more than 10000 symbols"));
}

TEST(Grammar, SentencesBeginWithACapitalAndKnowAn) {
  EXPECT_EQ(make_sentence("a old hat, a hat and a umbrella; data are a b"), "An old hat, a hat and an umbrella; data are a b");
  EXPECT_EQ(make_sentence("a"), "A");
  EXPECT_EQ(make_sentence(""), "");
  EXPECT_EQ(make_sentence("a "), "A ");
}

}  // namespace
}  // namespace onemask
