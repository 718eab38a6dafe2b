#include "support/complaint.hpp"
#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/eval/predict.hpp>
#include <onemask/mask/training_set.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

std::vector<PromptKind> const with_neighborhood{PromptKind::rewrite, PromptKind::paraphrase, PromptKind::neighborhood};

/// Two facts under a tokenizer of bytes; one of them has an edit.
class MetricsTest : public testing::Test {
 protected:
  MetricsTest() {
    write_text(folder_ / "tokenizer.json", tiny_tokenizer({"a b", "c d", "q z", "z q"}).dump());
    facts_[0].case_id = 1;
    facts_[0].prompt = "The tongue of {} is";
    facts_[0].subject = "Bo";
    facts_[0].target_true = "Welsh";
    facts_[0].target_new = "Thai";
    facts_[0].paraphrase_prompts = {"Bo speaks", "Bo, a native of"};
    facts_[1] = facts_[0];
    facts_[1].case_id = 2;
    facts_[1].subject = "Ann";
    facts_[1].target_true = "x";
    facts_[1].paraphrase_prompts = {};
    edit_.left = random_tensor({1, 16}, 3);
    edit_.right = random_tensor({1, 64}, 4, 0.5);
  }

  std::vector<PromptMetrics> run(std::vector<Condition> const& conditions, EvaluationOptions const& options = {}) const {
    return evaluate(*model_, Tokenizer::open(folder_.path()), 1, {{10, facts_.data(), &edit_}, {20, &facts_[1], nullptr}},
                    conditions, options);
  }

  TemporaryFolder folder_;
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load();
  std::vector<Fact> facts_{2};
  Edit edit_;
  at::Tensor const keep_ = random_tensor({16, 64}, 5).gt(-0.8);
};

TEST_F(MetricsTest, TheOriginalDoesNotDifferFromItself) {
  auto const rows = run({{"original", false, {}}, {"all kept", false, at::ones({16, 64}, at::kBool)}});
  ASSERT_EQ(rows.size(), 8U);
  for (auto const& row : rows) {
    EXPECT_NEAR(row.kl, 0, 1e-9);
    EXPECT_EQ(row.top1_changed, 0);
    EXPECT_EQ(row.overlap5, 1);
    EXPECT_EQ(row.overlap10, 1);
    EXPECT_EQ(row.overlap100, 1);
    EXPECT_LT(row.lp_true, 0);
  }
}

TEST_F(MetricsTest, FactsPromptsAndConditionsAreNamed) {
  auto rows = run({{"original", false, {}}, {"edited", true, {}}, {"mask", true, keep_}, {"original masked", false, keep_}});
  std::sort(rows.begin(), rows.end(), [](auto const& a, auto const& b) {
    return std::tuple(a.condition, a.fact, a.prompt) < std::tuple(b.condition, b.fact, b.prompt);
  });
  std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>> places, expected;
  for (auto const& row : rows) places.emplace_back(row.condition, row.fact, row.prompt);
  for (std::int64_t condition = 0; condition < 4; ++condition) {
    for (std::int64_t prompt = 0; prompt < 3; ++prompt) expected.emplace_back(condition, 10, prompt);
    // The fact without an edit is scored under unedited conditions alone.
    if (condition == 0 || condition == 3) expected.emplace_back(condition, 20, 0);
  }
  EXPECT_EQ(places, expected);
  EXPECT_EQ(run({{"edited", true, {}}}, {.kinds = {PromptKind::rewrite}}).size(), 1U);
}

TEST_F(MetricsTest, NumbersOfAnEditedAndMaskedModelByHand) {
  auto const rows = run({{"original", false, {}}, {"mask", true, keep_}});
  auto const words = Tokenizer::open(folder_.path());
  auto const texts = std::vector<std::string>{"The tongue of Bo is", "Bo speaks", "Bo, a native of"};
  for (auto const& row : rows) {
    if (row.condition != 1) continue;
    TwoWayPrompt const prompt{words.encode(texts[static_cast<std::size_t>(row.prompt)]), words.encode(" Welsh"),
                              words.encode(" Thai")};
    TwoWayBatch const batch(*model_, 1, {prompt}, {0});
    auto const base = batch.score({}).log_probabilities[0].to(at::kDouble);
    auto const scores = batch.score({edit_.left.unsqueeze(0), edit_.right.unsqueeze(0), keep_.to(at::kFloat)});
    auto const table = scores.log_probabilities[0].to(at::kDouble);
    EXPECT_NEAR(row.lp_true, scores.lp_true[0].item<double>(), 1e-5);
    EXPECT_NEAR(row.lp_new, scores.lp_new[0].item<double>(), 1e-5);
    double kl = 0;
    std::vector<std::pair<double, std::int64_t>> mine, original;
    for (std::int64_t token = 0; token < tiny_vocabulary; ++token) {
      auto const p = base[token].item<double>(), q = table[token].item<double>();
      kl += std::exp(p) * (p - q);
      mine.emplace_back(-q, token);
      original.emplace_back(-p, token);
    }
    EXPECT_NEAR(row.kl, kl, 1e-5);
    std::sort(mine.begin(), mine.end());
    std::sort(original.begin(), original.end());
    auto const rank = [&](std::int64_t token) {
      return 1 + std::find_if(mine.begin(), mine.end(), [&](auto const& entry) { return entry.second == token; }) - mine.begin();
    };
    EXPECT_EQ(row.rank_true, rank(prompt.target_true[0]));
    EXPECT_EQ(row.rank_new, rank(prompt.target_new[0]));
    EXPECT_EQ(row.top1, mine[0].second);
    EXPECT_EQ(row.top1_changed, mine[0].second != original[0].second);
    auto const overlap = [&](std::size_t k) {
      double common = 0;
      for (std::size_t i = 0; i < k; ++i) {
        for (std::size_t j = 0; j < k; ++j) common += mine[i].second == original[j].second;
      }
      return common / static_cast<double>(k);
    };
    EXPECT_EQ(row.overlap5, overlap(5));
    EXPECT_EQ(row.overlap10, overlap(10));
    EXPECT_EQ(row.overlap100, overlap(100));
    EXPECT_GT(row.kl, 1e-4);
  }
}

TEST_F(MetricsTest, TheNeighborhoodFollowsTheParaphrases) {
  facts_[0].neighborhood_prompts = {"Cy speaks", "The language of Di is"};
  auto const rows = run({{"edited", true, {}}}, {.kinds = with_neighborhood});
  std::vector<std::pair<std::int64_t, PromptKind>> places;
  for (auto const& row : rows) places.emplace_back(row.prompt, row.kind);
  EXPECT_THAT(places, testing::ElementsAre(std::pair(0, PromptKind::rewrite), std::pair(1, PromptKind::paraphrase),
                                           std::pair(2, PromptKind::paraphrase), std::pair(3, PromptKind::neighborhood),
                                           std::pair(4, PromptKind::neighborhood)));
  // Without paraphrases the neighborhood takes their numbers, not their kind.
  auto const without = run({{"edited", true, {}}}, {.kinds = {PromptKind::rewrite, PromptKind::neighborhood}});
  ASSERT_EQ(without.size(), 3U);
  EXPECT_EQ(without[1].prompt, 1);
  EXPECT_EQ(without[1].kind, PromptKind::neighborhood);
  EXPECT_EQ(run({{"edited", true, {}}}).size(), 3U);
}

TEST_F(MetricsTest, FurtherPromptsAreScoredAsTheirTextsAre) {
  facts_[0].neighborhood_prompts = {"Cy speaks"};
  facts_[0].attribute_prompts = {"Di speaks"};
  std::vector<PromptKind> kinds{PromptKind::rewrite};
  for (auto const& [kind, name] : further_prompt_names) kinds.push_back(kind);
  auto const rows = run({{"edited", true, {}}}, {.kinds = kinds});
  std::vector<std::string> const texts{"", "Di speaks", "The tongue of Bo is Thai. Cy speaks",
                                       "Welsh. Welsh. Welsh. Welsh. Welsh. The tongue of Bo is",
                                       "The tongue of Bo is Welsh? The tongue of Bo is"};
  ASSERT_EQ(rows.size(), texts.size());
  for (std::size_t i = 1; i < rows.size(); ++i) {
    facts_[0].paraphrase_prompts = {texts[i]};
    auto const same = run({{"edited", true, {}}}).at(1);
    EXPECT_EQ(rows[i].kind, kinds[i]);
    EXPECT_EQ(rows[i].prompt, static_cast<std::int64_t>(i));
    EXPECT_NEAR(rows[i].lp_true, same.lp_true, 1e-4) << texts[i];
    EXPECT_NEAR(rows[i].lp_new, same.lp_new, 1e-4) << texts[i];
    EXPECT_NEAR(rows[i].kl, same.kl, 1e-5) << texts[i];
  }
}

TEST_F(MetricsTest, TokenAccuraciesAreThoseOfTheBatch) {
  auto const words = Tokenizer::open(folder_.path());
  TwoWayPrompt const prompt{words.encode(facts_[0].question()), words.encode(" Welsh"), words.encode(" Thai")};
  TwoWayBatch const batch(*model_, 1, {prompt}, {0}, true);
  auto const scores = batch.score({edit_.left.unsqueeze(0), edit_.right.unsqueeze(0), keep_.to(at::kFloat)});
  auto const rows = run({{"mask", true, keep_}}, {.token_accuracy = true});
  EXPECT_EQ(rows.at(0).acc_true, scores.acc_true[0].item<double>());
  EXPECT_EQ(rows.at(0).acc_new, scores.acc_new[0].item<double>());
  EXPECT_TRUE(std::isnan(run({{"mask", true, keep_}}).at(0).acc_true));
}

TEST_F(MetricsTest, ObjectsAreScoredTokenByToken) {
  facts_[0].neighborhood_prompts = {"Cy speaks", "The language of Di is"};
  auto const words = Tokenizer::open(folder_.path());
  std::vector const texts{facts_[0].question(), facts_[0].paraphrase_prompts[0], facts_[0].paraphrase_prompts[1],
                          facts_[0].neighborhood_prompts[0], facts_[0].neighborhood_prompts[1]};
  // Every byte of these objects is a token: the chain of next-token probabilities is theirs.
  auto const log_probability = [&](std::string text, std::string const& object) {
    double sum = 0;
    for (char const letter : " " + object) {
      auto const wanted = words.encode(std::string(1, letter)).at(0);
      for (auto const& next : predict(*model_, words, text, tiny_vocabulary)) {
        if (next.id == wanted) sum += std::log(next.probability);
      }
      text += letter;
    }
    return sum;
  };
  auto const rows = run({{"original", false, {}}}, {.kinds = with_neighborhood});
  ASSERT_EQ(rows.size(), 6U);
  for (auto const& row : rows) {
    EXPECT_EQ(row.tokens_true, row.fact == 10 ? 6 : 2);
    EXPECT_EQ(row.tokens_new, 5);
    if (row.fact != 10) continue;
    auto const& text = texts[static_cast<std::size_t>(row.prompt)];
    EXPECT_NEAR(row.lp_true, log_probability(text, "Welsh"), 1e-4) << text;
    EXPECT_NEAR(row.lp_new, log_probability(text, "Thai"), 1e-4) << text;
  }
}

TEST_F(MetricsTest, TextsAreComparedOnRequest) {
  facts_[0].target_true = "x";
  auto const rows = run({{"edited", true, {}}}, {.compare_texts = true});
  auto const tokens = run({{"edited", true, {}}});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].lp_true, tokens[i].lp_true);
    EXPECT_EQ(rows[i].rank_new, -1);  // "Thai" is no token
    EXPECT_TRUE(rows[i].rank_true == -1 || (rows[i].rank_true >= 1 && rows[i].rank_true <= 100));
    EXPECT_LE(rows[i].overlap5, 1);
  }
}

TEST_F(MetricsTest, AllKindsOfFactsTogetherEqualFactsAlone) {
  auto const words = Tokenizer::open(folder_.path());
  Edit other;
  other.left = random_tensor({1, 16}, 6);
  other.right = random_tensor({1, 64}, 7, 0.5);
  std::vector<Condition> const conditions{{"edited", true, {}}, {"mask", true, keep_}};
  EvaluationFact const first{0, facts_.data(), &edit_}, second{1, &facts_[1], &other};
  auto const together = evaluate(*model_, words, 1, {first, second}, conditions, {});
  ASSERT_EQ(together.size(), 8U);
  for (auto const& fact : {first, second}) {
    for (auto const& row : evaluate(*model_, words, 1, {fact}, conditions, {})) {
      auto const found = std::find_if(together.begin(), together.end(), [&](auto const& r) {
        return r.fact == row.fact && r.condition == row.condition && r.prompt == row.prompt;
      });
      ASSERT_NE(found, together.end());
      EXPECT_NEAR(found->lp_true, row.lp_true, 1e-4);
      EXPECT_NEAR(found->lp_new, row.lp_new, 1e-4);
      EXPECT_NEAR(found->kl, row.kl, 1e-5);
    }
  }
}

TEST_F(MetricsTest, NothingToDo) {
  EXPECT_TRUE(evaluate(*model_, Tokenizer::open(folder_.path()), 1, {}, {{"original", false, {}}}, {}).empty());
  EXPECT_TRUE(run({}).empty());
}

TEST_F(MetricsTest, WhatFitsExactlyIsTrainedOnAndScored) {
  auto const words = Tokenizer::open(folder_.path());
  facts_[0].paraphrase_prompts = {std::string(59, 'x')};  // " Welsh" has 6 tokens, of which the last is only predicted
  EXPECT_FALSE(run({{"original", false, {}}}).empty());
  std::vector<MaskFact> const facts{make_mask_fact(words, facts_[0], edit_, false, 64)};
  EXPECT_EQ(TrainingSet(*model_, 1, facts, facts).size(), 1U);
  facts_[0].prompt = std::string(57, 'x') + "{}";  // the prompt that validation reads with its objects
  std::vector<MaskFact> const longer{make_mask_fact(words, facts_[0], edit_, false, 64)};
  EXPECT_EQ(TrainingSet(*model_, 1, longer, longer).validation_size(), 1);
  EXPECT_FALSE(run({{"original", false, {}}}).empty());
}

TEST_F(MetricsTest, MasksAndScoresRefuseTheSameWithOneSentence) {
  auto const words = Tokenizer::open(folder_.path());
  auto const refusal = [](auto const& call) -> std::string {
    try {
      call();
    } catch (UserError const& error) {
      return error.what();
    }
    return "";
  };
  facts_[0].paraphrase_prompts = {std::string(60, 'x')};
  auto const of_mask = refusal([&] { make_mask_fact(words, facts_[0], edit_, false, 64); });
  EXPECT_THAT(of_mask, testing::AllOf(HasSubstr("case_id 1"), HasSubstr("needs 65 positions"), HasSubstr("64 positions")));
  EXPECT_EQ(refusal([&] { run({{"original", false, {}}}); }), of_mask);
}

TEST_F(MetricsTest, PromptsLongerThanTheModel) {
  facts_[0].paraphrase_prompts = {std::string(60, 'x')};
  try {
    run({{"original", false, {}}});
    FAIL() << "a prompt of 65 tokens fits into 64 positions";
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("case_id 1"), HasSubstr("65"), HasSubstr("64")));
  }
}

std::string complaint(std::string const& bytes) {
  return complaint_of([&] { metrics_from_bytes(bytes, "objects/ef"); });
}

TEST(MetricsBytes, RoundTrip) {
  std::vector<PromptMetrics> const rows{
      {1, 2, 3, PromptKind::neighborhood, 8, 9, -0.5, -1.0 / 3, 1e-300, 4, 5, 6, 1, 0.2, 0.3, 0.04},
      {7, 0, 0, PromptKind::rewrite, 1, 2, -9, -8, 0, -1, 2, 3, 0, 1, 1, 1}};
  auto const back = metrics_from_bytes(to_bytes(rows), "bytes");
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(to_bytes(back), to_bytes(rows));
  auto const& row = back[0];
  EXPECT_EQ(row.fact, 1);
  EXPECT_EQ(row.condition, 2);
  EXPECT_EQ(row.prompt, 3);
  EXPECT_EQ(row.kind, PromptKind::neighborhood);
  EXPECT_EQ(back[1].kind, PromptKind::rewrite);
  EXPECT_EQ(row.tokens_true, 8);
  EXPECT_EQ(row.tokens_new, 9);
  EXPECT_EQ(row.lp_true, -0.5);
  EXPECT_EQ(row.lp_new, -1.0 / 3);
  EXPECT_EQ(row.kl, 1e-300);
  EXPECT_EQ(row.rank_true, 4);
  EXPECT_EQ(row.rank_new, 5);
  EXPECT_EQ(row.top1, 6);
  EXPECT_EQ(row.top1_changed, 1);
  EXPECT_EQ(row.overlap5, 0.2);
  EXPECT_EQ(row.overlap10, 0.3);
  EXPECT_EQ(row.overlap100, 0.04);
  EXPECT_TRUE(metrics_from_bytes(to_bytes(std::vector<PromptMetrics>()), "bytes").empty());
}

TEST(MetricsBytes, TokenAccuraciesAreThereWhereTheyWereScored) {
  std::vector<PromptMetrics> rows(2);
  EXPECT_TRUE(std::isnan(metrics_from_bytes(to_bytes(rows), "bytes")[0].acc_true));
  rows[1].acc_true = 0.5, rows[1].acc_new = 0.25;
  auto const back = metrics_from_bytes(to_bytes(rows), "bytes");
  EXPECT_TRUE(std::isnan(back[0].acc_new));
  EXPECT_EQ(back[1].acc_true, 0.5);
  EXPECT_EQ(back[1].acc_new, 0.25);
  auto const wrong = write_safetensors({{"kinds", at::zeros({2}, at::kLong)},
                                        {"integers", at::ones({2, 9}, at::kLong)},
                                        {"reals", at::zeros({2, 6}, at::kDouble)},
                                        {"accuracies", at::zeros({2, 3}, at::kDouble)}},
                                       {});
  EXPECT_THAT(complaint(wrong), HasSubstr("objects/ef"));
}

TEST(MetricsBytes, DamagedOrOfAnotherKind) {
  auto const good = to_bytes(std::vector<PromptMetrics>(2));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THAT(complaint(good.substr(0, size)), HasSubstr("objects/ef")) << size;
  auto const kinds = at::zeros({2}, at::kLong), integers = at::ones({2, 9}, at::kLong), reals = at::zeros({2, 6}, at::kDouble);
  auto const complaint_with = [&](std::string const& name, std::optional<at::Tensor> const& tensor) {
    std::map<std::string, at::Tensor> tensors{{"kinds", kinds}, {"integers", integers}, {"reals", reals}};
    tensors.erase(name);
    if (tensor) tensors[name] = *tensor;
    return complaint(write_safetensors(tensors, {}));
  };
  EXPECT_EQ(complaint_with("kinds", kinds), "");
  auto const no_tokens = integers.clone();
  no_tokens[1][3] = 0;  // which a mean over them would divide by
  for (auto const& [name, tensor] :
       std::vector<std::pair<std::string, std::optional<at::Tensor>>>{{"kinds", {}},
                                                                      {"kinds", kinds + 7},
                                                                      {"kinds", kinds - 1},
                                                                      {"kinds", at::zeros({3}, at::kLong)},
                                                                      {"kinds", kinds.unsqueeze(0)},
                                                                      {"kinds", kinds.to(at::kDouble)},
                                                                      {"integers", {}},
                                                                      {"integers", no_tokens},
                                                                      {"integers", at::ones({2, 7}, at::kLong)},
                                                                      {"integers", integers.flatten()},
                                                                      {"integers", integers.to(at::kInt)},
                                                                      {"reals", {}},
                                                                      {"reals", at::zeros({3, 6}, at::kDouble)},
                                                                      {"reals", at::zeros({2, 5}, at::kDouble)},
                                                                      {"reals", reals.to(at::kFloat)}}) {
    EXPECT_THAT(complaint_with(name, tensor), HasSubstr("objects/ef")) << name;
  }
}

}  // namespace
}  // namespace onemask::test
