#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/analysis/causal_trace.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Fact traced_fact(std::string const& prompt, std::string const& subject) {
  Fact fact;
  fact.case_id = 31;
  fact.prompt = prompt, fact.subject = subject;
  fact.target_true = "Wal", fact.target_new = "Thai";
  return fact;
}

/// Bytes are tokens, and so are " B", "Bo" and "o ".
class TracePrompts : public testing::Test {
 protected:
  TracePrompts() { write_text(folder_ / "tokenizer.json", tiny_tokenizer({"Ġ B", "B o", "o o", "t s"}).dump()); }
  TracePrompt prompt(Fact const& fact, std::int64_t positions = 64) const {
    return make_trace_prompt(Tokenizer::open(folder_.path()), fact, positions);
  }

  TemporaryFolder folder_;
};

TEST_F(TracePrompts, TheSubjectsTokensHoldItsCharacters) {
  // T h e _ t o n g u e _ o f " B" o b _ i s
  auto const inside = prompt(traced_fact("The tongue of {} is", "Bob"));
  EXPECT_EQ(inside.subject, 13);
  EXPECT_EQ(inside.after, 16);
  EXPECT_EQ(inside.ids.size(), 19U);
  EXPECT_EQ(inside.case_id, 31);
  EXPECT_EQ(inside.object.size(), 4U);
  auto const first = prompt(traced_fact("{} is", "Bob"));  // "Bo" b
  EXPECT_EQ(first.subject, 0);
  EXPECT_EQ(first.after, 2);
  auto const last = prompt(traced_fact("is {}", "Bob"));
  EXPECT_EQ(last.subject, 2);
  EXPECT_EQ(last.after, std::ssize(last.ids));
}

TEST_F(TracePrompts, ATokenThatReachesOutOfTheSubjectIsOneOfItsTokens) {
  // "ts" holds the subject's last letter and the template's first behind it.
  auto const prompt_of = prompt(traced_fact("a {}s", "Bot"));
  EXPECT_EQ(prompt_of.subject, 1);
  EXPECT_EQ(prompt_of.after, std::ssize(prompt_of.ids));
}

TEST_F(TracePrompts, ThePlaceIsThatOfTheTemplate) {
  // The subject's text stands before it as well: i s _ i s
  auto const twice = prompt(traced_fact("is {}", "is"));
  EXPECT_EQ(twice.subject, 3);
  EXPECT_EQ(twice.after, 5);
}

TEST_F(TracePrompts, ABeginningTokenIsNotCounted) {
  auto tokenizer = tiny_tokenizer();
  tokenizer["added_tokens"].push_back(added_token("<s>", 256));
  write_text(folder_ / "tokenizer.json", tokenizer.dump());
  write_text(folder_ / "tokenizer_config.json",
             R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "add_bos_token": true})");
  auto const with_bos = prompt(traced_fact("{} is", "Bob"));
  ASSERT_EQ(with_bos.ids.front(), 256);
  EXPECT_EQ(with_bos.subject, 1);
  EXPECT_EQ(with_bos.after, 4);
}

TEST_F(TracePrompts, EveryTokenIsOfOnePlace) {
  auto const places = [](TracePrompt const& prompt) {
    std::vector<std::string> names;
    for (auto token = prompt.subject; token < std::ssize(prompt.ids); ++token)
      names.push_back(name_of(trace_place_names, prompt.place_of(token)));
    return names;
  };
  std::vector<std::int64_t> const ids(8);
  EXPECT_THAT(places({1, ids, {}, 1, 5}), ElementsAre("subject_first", "subject_middle", "subject_middle", "subject_last",
                                                      "after_first", "after_middle", "last_token"));
  EXPECT_THAT(places({1, ids, {}, 5, 7}), ElementsAre("subject_first", "subject_last", "last_token"));
  EXPECT_THAT(places({1, ids, {}, 5, 6}), ElementsAre("subject_last", "after_first", "last_token"));
  EXPECT_THAT(places({1, ids, {}, 7, 8}), ElementsAre("subject_last"));
}

TEST_F(TracePrompts, WhatIsRefused) {
  auto tokenizer = tiny_tokenizer();
  tokenizer["normalizer"] = {{"type", "Lowercase"}};
  write_text(folder_ / "tokenizer.json", tokenizer.dump());
  EXPECT_THAT(complaint_of([&] { prompt(traced_fact("{} is", "Bob")); }),
              HasSubstr("The record with case_id 31: its subject, 'Bob', is not found in the tokens of its prompt"));
  EXPECT_EQ(complaint_of([&] { prompt(traced_fact("{} is", "bob")); }), "");
  EXPECT_THAT(complaint_of([&] { prompt(traced_fact("{} is", "bob"), 8); }),
              HasSubstr("The record with case_id 31 has a prompt"));
  auto fact = traced_fact("{} is", "bob");
  fact.target_true = " ";
  EXPECT_THAT(complaint_of([&] { prompt(fact); }), HasSubstr("case_id 31, field target_true: A target consists of nothing"));
}

}  // namespace
}  // namespace onemask::test
