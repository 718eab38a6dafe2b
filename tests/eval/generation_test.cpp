#include "eval/generation.hpp"

#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

TEST(Generation, StatesAnObjectBeforeTheStatementEnds) {
  EXPECT_TRUE(states(" French. He lived", "French"));
  EXPECT_TRUE(states(" the French language", "French"));
  EXPECT_TRUE(states("French", "French"));
  EXPECT_TRUE(states(" St. Louis, Missouri", "St. Louis"));  // the object's own period
  EXPECT_FALSE(states(" Frenchman", "French"));
  EXPECT_FALSE(states(" aFrench", "French"));
  EXPECT_FALSE(states(" Welsh. He spoke French", "French"));
  EXPECT_FALSE(states(" Welsh\nFrench", "French"));
  EXPECT_FALSE(states("", "French"));
  EXPECT_TRUE(states(" Frenchman, French", "French"));
  EXPECT_FALSE(states(" Françaisé", "Français"));
}

TEST(Generation, EntropyOfPairsAndTriples) {
  EXPECT_EQ(generation_entropy(""), 0);
  EXPECT_EQ(generation_entropy("a a a a a"), 0);
  // Pairs ab, bc, cd, each once: log2 3. Triples abc, bcd: 1 bit.
  EXPECT_NEAR(generation_entropy("a b c d"), (2.0 / 3 * std::log2(3) + 4.0 / 3 * 1) / 2, 1e-12);
  // The comma is a word: pairs "a ,", ", a", "a ,": 2/3 and 1/3; triples "a , a", ", a ,": 1 bit.
  auto const pairs = -(2.0 / 3 * std::log2(2.0 / 3) + 1.0 / 3 * std::log2(1.0 / 3));
  EXPECT_NEAR(generation_entropy("a, a,"), (2.0 / 3 * pairs + 4.0 / 3) / 2, 1e-12);
}

/// One fact under a tokenizer of bytes.
class FactGeneration : public testing::Test {
 protected:
  FactGeneration() {
    fact_.prompt = "The tongue of {} is";
    fact_.subject = "Bo";
    fact_.target_true = "Welsh";
    fact_.target_new = "Thai";
    fact_.generation_prompts = {"Bo was", "The town of Bo"};
    edit_.left = random_tensor({1, 16}, 3);
    edit_.right = random_tensor({1, 64}, 4, 0.5);
  }

  std::vector<PromptMetrics> run(std::vector<Condition> const& conditions, EvaluationOptions const& options) const {
    return evaluate(*model_, words_, 1, {{0, &fact_, &edit_}}, conditions, options);
  }

  /// What the batch writes behind a text in a model with this matrix.
  std::string written(std::string const& text, at::Tensor const& weight, std::int64_t count) const {
    auto const model = model_->with_projections({{1, weight}});
    GreedyBatch const batch(*model, 1, {words_.encode(text)}, {0});
    auto row = batch.continued(
        count, [&](at::Tensor const& key, at::Tensor const&) { return project(model->projection(1), key); }, *model)[0];
    std::erase_if(row, [&](auto id) { return id >= words_.vocabulary_size(); });
    return words_.decode(row);
  }

  TemporaryFolder folder_;
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load();
  Fact fact_;
  Edit edit_;
  at::Tensor const keep_ = random_tensor({16, 64}, 5).gt(-0.8);
  Tokenizer const words_ = [this] {
    write_text(folder_ / "tokenizer.json", tiny_tokenizer({}).dump());
    return Tokenizer::open(folder_.path());
  }();
};

TEST_F(FactGeneration, IsScoredUnderEveryCondition) {
  auto const weight = model_->projection(1).weight;
  auto const edited = weight + at::matmul(edit_.left.t(), edit_.right);
  Condition shrunk{"shrunk", true, {}}, pruned{"pruned", true, {}}, shared{"shared", true, {}};
  shrunk.own = FactBaseline{{.score = BaselineScore::shrink, .scope = BaselineScope::fact, .amount = 0.5}};
  pruned.own = FactBaseline{{.score = BaselineScore::magnitude, .scope = BaselineScope::fact}, 300};
  shared.shared = [&] { return model_->with_projections({{1, 2 * weight}}); };
  std::vector<Condition> const conditions{
      {"original", false, {}}, {"edited", true, {}}, {"mask", true, keep_}, shrunk, pruned, shared};
  std::vector const matrices{
      weight, edited, edited * keep_.to(at::kFloat), 0.5 * edited, changed_matrix(*pruned.own, weight, edited), 2 * weight};
  auto const rows = run(conditions, {.generate = 12, .entropy = 20});
  ASSERT_EQ(rows.size(), conditions.size());
  for (std::size_t c = 0; c < conditions.size(); ++c) {
    auto const text = written(fact_.question(), matrices[c], 12);
    EXPECT_EQ(rows[c].gen_true, states(text, fact_.target_true)) << conditions[c].name;
    double entropy = 0;
    for (auto const& prompt : fact_.generation_prompts)
      entropy += generation_entropy(prompt + written(prompt, matrices[c], 20)) / 2;
    EXPECT_NEAR(rows[c].entropy, entropy, 1e-12) << conditions[c].name;
  }
}

TEST_F(FactGeneration, FindsWhatTheModelWrites) {
  auto const text = written(fact_.question(), model_->projection(1).weight, 12);
  // The largest part of the text that is a word.
  std::string word;
  for (std::size_t i = 0; i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0; ++i) word += text[i];
  if (word.empty()) word = text.substr(0, 1);
  fact_.target_new = word;
  auto const row = run({{"original", false, {}}}, {.generate = 12}).at(0);
  EXPECT_EQ(row.gen_new, states(text, word));
  EXPECT_EQ(row.gen_true, 0);
  EXPECT_TRUE(std::isnan(row.entropy));
  auto const back = metrics_from_bytes(to_bytes({row}), "bytes").at(0);
  EXPECT_EQ(back.gen_new, row.gen_new);
  EXPECT_TRUE(std::isnan(run({{"original", false, {}}}, {}).at(0).gen_true));
}

}  // namespace
}  // namespace onemask::test
