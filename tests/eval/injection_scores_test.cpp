#include "support/complaint.hpp"
#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/eval/injection_scores.hpp>
#include <onemask/eval/metrics.hpp>

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

/// Facts with objects of one to five tokens under a tokenizer of bytes, each with an edit.
class InjectionScores : public testing::Test {
 protected:
  InjectionScores() {
    write_text(folder_ / "tokenizer.json", tiny_tokenizer({"a b", "c d", "q z", "z q"}).dump());
    std::vector<std::string> const objects{"Welsh", "Thai", "x", "Ga", "z"};
    for (std::size_t f = 0; f < objects.size(); ++f) {
      Fact fact;
      fact.case_id = static_cast<std::int64_t>(f);
      fact.prompt = "The tongue of {} is";
      fact.subject = "Bo" + std::to_string(f);
      fact.target_true = objects[f];
      fact.target_new = objects[(f + 1) % objects.size()];
      facts_.push_back(fact);
      Edit edit;
      edit.case_id = fact.case_id;
      edit.layer = 1;
      edit.left = random_tensor({1, 16}, 10 + f);
      edit.right = random_tensor({1, model_->config().inner}, 20 + f, 0.3);
      edits_.push_back(edit);
    }
    for (auto const& fact : facts_) all_.push_back(&fact);
  }

  RewritePrompts prompts() const { return {*model_, Tokenizer::open(folder_.path()), 1, all_, false}; }

  TemporaryFolder folder_;
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load();
  std::vector<Fact> facts_;
  std::vector<Fact const*> all_;
  std::vector<Edit> edits_;
};

TEST_F(InjectionScores, AreThoseOfTheEvaluation) {
  auto const keep = random_tensor({16, model_->config().inner}, 3) > -0.5;
  auto const masked = model_->with_projections({{1, model_->projection(1).weight * keep}});
  std::vector<EvaluationFact> evaluated;
  for (std::size_t f = 0; f < facts_.size(); ++f) evaluated.push_back({static_cast<std::int64_t>(f), &facts_[f], &edits_[f]});
  std::vector<Condition> const conditions{{"original", false, keep}, {"edited", true, {}}, {"mask", true, keep}};
  auto const rows =
      evaluate(*model_, Tokenizer::open(folder_.path()), 1, evaluated, conditions, {.kinds = {PromptKind::rewrite}});
  std::vector<double> const norms(facts_.size(), 1);
  std::vector<std::vector<InjectionScore>> const found{prompts().score(*masked), prompts().score(edits_, norms, {}),
                                                       prompts().score(edits_, norms, keep)};
  ASSERT_EQ(rows.size(), 15U);
  for (auto const& row : rows) {
    auto const& score = found[static_cast<std::size_t>(row.condition)][static_cast<std::size_t>(row.fact)];
    EXPECT_EQ(score.fact, row.fact);
    EXPECT_EQ(score.tokens_true, row.tokens_true);
    EXPECT_EQ(score.tokens_new, row.tokens_new);
    EXPECT_NEAR(score.lp_true, row.lp_true, 1e-5);
    EXPECT_NEAR(score.lp_new, row.lp_new, 1e-5);
    EXPECT_EQ(score.update_norm, row.condition == 0 ? 0 : 1);
    if (row.tokens_new > 1) continue;
    EXPECT_EQ(score.token_accuracy, row.rank_new == 1 ? 1 : 0);
  }
}

/// Token by token: each behind the ones before it, in a prompt of its own.
TEST_F(InjectionScores, TokenAccuracyCountsTheLikeliestTokens) {
  auto const words = Tokenizer::open(folder_.path());
  // A bias that makes 'a' the likeliest token of all, so that some tokens of some objects are.
  facts_[0].target_new = "aba", facts_[1].target_new = "a", facts_[2].target_new = "xa";
  auto const a = encode_target(words, "a").back();
  auto const toward = model_->head()[a].to(at::kFloat) * 40;
  for (auto& edit : edits_) edit.left = toward.unsqueeze(0).clone();
  auto const scores = prompts().score(edits_, std::vector<double>(facts_.size(), 1), {});
  std::set<double> seen;
  for (std::size_t f = 0; f < facts_.size(); ++f) {
    auto const target = encode_target(words, facts_[f].target_new);
    std::vector<TwoWayPrompt> steps;
    for (std::size_t k = 0; k < target.size(); ++k) {
      auto prompt = encode_prompt(words, facts_[f].question());
      prompt.insert(prompt.end(), target.begin(), target.begin() + static_cast<std::ptrdiff_t>(k));
      steps.push_back({std::move(prompt), {target[k]}, {target[k]}});
    }
    auto const table = TwoWayBatch(*model_, 1, steps, std::vector<std::int64_t>(steps.size()))
                           .score({edits_[f].left.unsqueeze(0), edits_[f].right.unsqueeze(0), {}})
                           .log_probabilities;
    double likeliest = 0;
    for (std::size_t k = 0; k < target.size(); ++k)
      likeliest += table[static_cast<std::int64_t>(k)].argmax().item<std::int64_t>() == target[k];
    EXPECT_DOUBLE_EQ(scores[f].token_accuracy, likeliest / static_cast<double>(target.size())) << f;
    seen.insert(scores[f].token_accuracy);
  }
  EXPECT_GT(seen.size(), 1U);  // else this would compare nothing
}

TEST_F(InjectionScores, FailedEditsAreLeftOut) {
  std::vector<double> const norms(facts_.size(), 1);
  auto const all = prompts().score(edits_, norms, {});
  edits_[2].failure = "the loss is not finite";
  edits_[2].left = edits_[2].right = at::Tensor();
  auto const rest = prompts().score(edits_, norms, {});
  ASSERT_EQ(rest.size(), all.size() - 1);
  EXPECT_EQ(rest[2], all[3]);
}

TEST_F(InjectionScores, AreReadAsTheyAreWritten) {
  auto const rows = prompts().score(*model_);
  EXPECT_EQ(injection_scores_from_bytes(to_bytes(rows), "x"), rows);
  EXPECT_EQ(injection_scores_from_bytes(to_bytes(std::vector<InjectionScore>()), "x").size(), 0U);
  auto bad = rows;
  bad[1].variant = -1;
  EXPECT_THAT(complaint_of([&] { injection_scores_from_bytes(to_bytes(bad), "object 7"); }),
              testing::HasSubstr("object 7 does not hold scores of edits under a mask"));
}

}  // namespace
}  // namespace onemask::test
