#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/edit/context_templates.hpp>

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::pair<int, int>> const lengths{{12, 3}, {15, 7}};

/// A tokenizer of bytes: a text of n tokens has n bytes. A word to begin with is as many tokens as it has letters.
class TemplatesTest : public testing::Test {
 protected:
  TemplatesTest() { write_text(folder_ / "tokenizer.json", tiny_tokenizer({"q q", "q z", "z q", "z z"}).dump()); }

  ContextTemplates sample(CausalLM const& model, std::vector<std::pair<int, int>> const& params, std::uint64_t seed) const {
    return sample_context_templates(model, Tokenizer::open(folder_.path()), params, seed);
  }

  TemporaryFolder folder_;
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load();
};

TEST_F(TemplatesTest, TheSameSeedGivesTheSameOnes) {
  auto const first = sample(*model_, lengths, 1);
  EXPECT_EQ(first, sample(*model_, lengths, 1));
  EXPECT_NE(first, sample(*model_, lengths, 2));
  EXPECT_NO_THROW(check_context_templates(first, "sampled"));
}

TEST_F(TemplatesTest, CountBeginningAndEnd) {
  auto const templates = sample(*model_, lengths, 3);
  ASSERT_EQ(templates.size(), 11U);
  EXPECT_EQ(templates[0], "{}");
  std::vector<std::string> const starts{"The", "Therefore", "Because", "I", "You"};
  for (std::size_t i = 1; i < templates.size(); ++i) {
    auto const number = i <= 3 ? i - 1 : i - 4;
    EXPECT_THAT(templates[i], StartsWith(starts[number % 5]));
    EXPECT_TRUE(templates[i].ends_with(". {}")) << templates[i];
  }
  // The same beginning, from different random numbers.
  EXPECT_NE(templates[4], templates[9]);
  EXPECT_TRUE(sample(*model_, {}, 3) == ContextTemplates{"{}"});
}

TEST_F(TemplatesTest, TextsHaveTheTokensAskedFor) {
  auto const tokenizer = Tokenizer::open(folder_.path());
  for (int length : {5, 12}) {
    auto const text = sample(*model_, {{length, 1}}, 4)[1];
    EXPECT_EQ(tokenizer.encode(text.substr(0, text.size() - 4)).size(), static_cast<std::size_t>(length)) << text;
  }
}

TEST_F(TemplatesTest, DrawnFromTheFiveLikeliest) {
  // One step: from the same text, at most five different continuations, and not always the same.
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 60; ++seed) seen.insert(sample(*model_, {{4, 1}}, seed)[1]);
  EXPECT_LE(seen.size(), 5U);
  EXPECT_GE(seen.size(), 2U);
}

TEST_F(TemplatesTest, BracesOfTheModelAreGone) {
  auto checkpoint = tiny_gpt2();
  auto& tokens = checkpoint.tensors["transformer.wte.weight"];
  tokens.mul_(0.1);
  for (char brace : {'{', '}'}) tokens[brace] = random_tensor({16}, static_cast<std::uint64_t>(brace), 5);
  auto const model = checkpoint.load();
  auto const templates = sample(*model, {{20, 5}}, 1);
  std::size_t removed = 0;
  for (std::size_t i = 1; i < templates.size(); ++i) {
    EXPECT_EQ(std::count(templates[i].begin(), templates[i].end(), '{'), 1);
    EXPECT_EQ(std::count(templates[i].begin(), templates[i].end(), '}'), 1);
    removed += 24 - std::min<std::size_t>(24, templates[i].size());
  }
  EXPECT_GT(removed, 0U);
}

TEST_F(TemplatesTest, WhateverTheModelWritesIsText) {
  auto checkpoint = tiny_gpt2();
  auto& tokens = checkpoint.tensors["transformer.wte.weight"];
  for (std::int64_t id = 128; id < 256; ++id) tokens[id].mul_(20);  // bytes that are parts of characters
  auto const model = checkpoint.load();
  auto const tokenizer = Tokenizer::open(folder_.path());
  for (auto const& text : sample(*model, {{20, 5}}, 1)) EXPECT_NO_THROW(tokenizer.encode(text)) << text;
}

TEST_F(TemplatesTest, TokensThatOnlyTheModelHasAreNotDrawn) {
  write_text(folder_ / "tokenizer.json", tiny_tokenizer().dump());
  auto checkpoint = tiny_gpt2();
  for (std::int64_t id = 256; id < 260; ++id) checkpoint.tensors["transformer.wte.weight"][id].mul_(20);
  auto const model = checkpoint.load();
  EXPECT_NO_THROW(sample(*model, {{20, 5}}, 1));
}

TEST_F(TemplatesTest, TextsLongerThanTheModel) {
  EXPECT_EQ(sample(*model_, {{63, 1}}, 1).size(), 2U);  // of 64 positions: a prompt follows
  EXPECT_THROW(sample(*model_, {{64, 1}}, 1), UserError);
}

TEST(CheckTemplates, TheFirstIsPlainAndAllHoldOnePlace) {
  EXPECT_NO_THROW(check_context_templates({"{}", "So {} it is."}, "file"));
  for (ContextTemplates const& templates : {ContextTemplates{}, ContextTemplates{"So {}"}, ContextTemplates{"{}", "none"},
                                            ContextTemplates{"{}", "{} and {}"}, ContextTemplates{"{}", "{ }"}}) {
    try {
      check_context_templates(templates, "templates.json");
      ADD_FAILURE() << "was not refused";
    } catch (UserError const& error) {
      EXPECT_THAT(error.what(), HasSubstr("templates.json"));
    }
  }
}

}  // namespace
}  // namespace onemask::test
