#include <onemask/data/fact_prompts.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::ElementsAre;

TEST(FactPrompts, OfEveryKind) {
  Fact fact;
  fact.prompt = "The mother tongue of {} is";
  fact.subject = "Bo";
  fact.target_true = "Welsh";
  fact.target_new = "Thai";
  fact.paraphrase_prompts = {"Bo speaks"};
  fact.neighborhood_prompts = {"Cy speaks", "Di speaks"};
  fact.attribute_prompts = {"Ed speaks"};
  EXPECT_THAT(fact_prompts(fact, PromptKind::rewrite), ElementsAre("The mother tongue of Bo is"));
  EXPECT_THAT(fact_prompts(fact, PromptKind::paraphrase), ElementsAre("Bo speaks"));
  EXPECT_THAT(fact_prompts(fact, PromptKind::neighborhood), ElementsAre("Cy speaks", "Di speaks"));
  EXPECT_THAT(fact_prompts(fact, PromptKind::attribute), ElementsAre("Ed speaks"));
  EXPECT_THAT(fact_prompts(fact, PromptKind::distract),
              ElementsAre("The mother tongue of Bo is Thai. Cy speaks", "The mother tongue of Bo is Thai. Di speaks"));
  EXPECT_THAT(fact_prompts(fact, PromptKind::rep), ElementsAre("Welsh. Welsh. Welsh. Welsh. Welsh. The mother tongue of Bo is"));
  EXPECT_THAT(fact_prompts(fact, PromptKind::que), ElementsAre("The mother tongue of Bo is Welsh? The mother tongue of Bo is"));
  for (auto const& [kind, name] : prompt_kind_names)
    EXPECT_EQ(count_prompts(fact, kind), fact_prompts(fact, kind).size()) << name;
}

TEST(FactPrompts, WhereTheSubjectEnds) {
  Fact fact;
  fact.prompt = "As a rule, {} was a";
  fact.subject = "a";
  fact.target_true = "man";
  fact.target_new = "cat";
  // The template says where the subject stands, whatever else is written like it.
  for (auto const kind : {PromptKind::rewrite, PromptKind::rep, PromptKind::que}) {
    auto const prompt = fact_prompts(fact, kind).front();
    EXPECT_EQ(subject_end(fact, kind, prompt), prompt.size() - std::string(" was a").size());
  }
  fact.subject = "Bo";
  EXPECT_EQ(subject_end(fact, PromptKind::paraphrase, "Bo came. Bo was"), std::string("Bo came. Bo").size());
  EXPECT_EQ(subject_end(fact, PromptKind::paraphrase, "He was"), std::nullopt);
  EXPECT_EQ(subject_end(fact, PromptKind::neighborhood, "Bob was"), std::nullopt);
  EXPECT_EQ(subject_end(fact, PromptKind::distract, "As a rule, Bo was a cat. Cy was"), std::nullopt);
}

}  // namespace
}  // namespace onemask
