#include "support/tiny_model.hpp"
#include <onemask/model/two_way.hpp>

#include <algorithm>
#include <limits>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using Ids = std::vector<std::int64_t>;

class TwoWay : public testing::TestWithParam<char const*> {
 protected:
  /// log P of the token after `row`, under a dense matrix in the edited layer's place.
  at::Tensor next(Ids const& row, at::Tensor const& weight) const {
    auto const packed = pack_rows({row}, at::kCPU);
    Pass const pass(*model_, packed.layout);
    auto const half = pass.halfway(1, pass.run(0, 0, pass.embed(packed.ids)));
    auto const residual = half.residual + at::linear(half.key, weight, projection_.bias);
    return at::log_softmax(model_->logits(model_->final_norm(pass.run(2, 2, residual))), -1)[-1];
  }

  /// log P of an object, token by token, each from a pass of its own.
  double object(Ids row, Ids const& target, at::Tensor const& weight) const {
    double sum = 0;
    for (auto token : target) {
      sum += next(row, weight)[token].item<double>();
      row.push_back(token);
    }
    return sum;
  }

  void check(TwoWayBatch::Scores const& scores, std::vector<at::Tensor> const& weights) const {
    for (std::size_t p = 0; p < prompts_.size(); ++p) {
      auto const i = static_cast<std::int64_t>(p);
      EXPECT_NEAR(scores.lp_true[i].item<double>(), object(prompts_[p].prompt, prompts_[p].target_true, weights[p]), 1e-4)
          << "prompt " << p;
      EXPECT_NEAR(scores.lp_new[i].item<double>(), object(prompts_[p].prompt, prompts_[p].target_new, weights[p]), 1e-4)
          << "prompt " << p;
      EXPECT_LT(largest_difference(scores.log_probabilities[i], next(prompts_[p].prompt, weights[p])), 1e-4) << "prompt " << p;
    }
  }

  c10::NoGradGuard const no_gradients_;
  std::unique_ptr<CausalLM> const model_ = GetParam() == std::string("gpt2") ? tiny_gpt2().load() : tiny_llama().load();
  Projection const projection_ = model_->projection(1);
  /// Objects of one token and of several, on either side, with equal first tokens too.
  std::vector<TwoWayPrompt> const prompts_{{random_ids(5, 1), {65}, {66}},         {random_ids(1, 2), {65, 70}, {66}},
                                           {random_ids(8, 3), {65}, {66, 67, 68}}, {random_ids(3, 4), {70, 71, 72}, {70, 71}},
                                           {random_ids(5, 5), {65, 66}, {65}},     {random_ids(2, 6), {90}, {90}}};
  Ids const edit_of_prompt_{1, 0, 2, 1, 1, 0};
};

INSTANTIATE_TEST_SUITE_P(Families, TwoWay, testing::Values("gpt2", "llama"));

TEST_P(TwoWay, TheUnchangedModel) {
  TwoWayBatch const batch(*model_, 1, prompts_, edit_of_prompt_);
  check(batch.score({}), std::vector<at::Tensor>(prompts_.size(), projection_.weight));
}

TEST_P(TwoWay, MarginsOfTheTrueObject) {
  auto prompts = prompts_;
  // An object that begins with the likeliest token, and one that is the likeliest token by token.
  auto const likeliest = [&](Ids const& row) { return next(row, projection_.weight).argmax().item<std::int64_t>(); };
  auto const row = random_ids(4, 7);
  auto const first = likeliest(row);
  auto longer = row;
  longer.push_back(first);
  prompts.push_back({row, {first, likeliest(longer)}, {66}});
  prompts.push_back({row, {first, (likeliest(longer) + 1) % tiny_vocabulary}, {66}});
  auto const margins = TwoWayBatch(*model_, 1, prompts, Ids(prompts.size())).margins();
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    auto const i = static_cast<std::int64_t>(p);
    auto const& [prompt, target_true, target_new, subject] = prompts[p];
    EXPECT_NEAR(margins.two_way[i].item<double>(),
                object(prompt, target_true, projection_.weight) - object(prompt, target_new, projection_.weight), 1e-4)
        << "prompt " << p;
    auto text = prompt;
    double least = 1e9;
    for (auto const token : target_true) {
      auto others = next(text, projection_.weight).clone();
      auto const own = others[token].item<double>();
      others[token] = -1e9;
      least = std::min(least, own - others.max().item<double>());
      text.push_back(token);
    }
    EXPECT_NEAR(margins.top1[i].item<double>(), least, 1e-4) << "prompt " << p;
  }
  EXPECT_GT(margins.top1[6].item<double>(), 0);
  EXPECT_LT(margins.top1[7].item<double>(), 0);
}

TEST_P(TwoWay, AccuracyOfTheObjectsTokens) {
  auto const out = projection_.weight.size(0), in = projection_.weight.size(1);
  auto const mask = random_tensor({out, in}, 12).gt(-1).to(at::kFloat);
  auto const weight = projection_.weight * mask;
  auto const likeliest = [&](Ids const& row) { return next(row, weight).argmax().item<std::int64_t>(); };
  // Objects whose tokens are all, in part or never the likeliest, of either kind.
  auto const row = random_ids(4, 7);
  auto const first = likeliest(row), other = (first + 1) % tiny_vocabulary;
  auto const after = [&](std::int64_t token) {
    auto longer = row;
    longer.push_back(token);
    return likeliest(longer);
  };
  auto const wrong = (after(first) + 1) % tiny_vocabulary;
  std::vector<TwoWayPrompt> const prompts{
      {row, {first, after(first)}, {other, after(other)}}, {row, {first, wrong}, {first}}, {row, {other}, {first, after(first)}}};
  auto const scores = TwoWayBatch(*model_, 1, prompts, Ids(3), true).score({{}, {}, mask});
  EXPECT_TRUE(at::equal(scores.acc_true, at::tensor({1.0, 0.5, 0.0}, at::kDouble))) << scores.acc_true;
  EXPECT_TRUE(at::equal(scores.acc_new, at::tensor({0.5, 1.0, 1.0}, at::kDouble))) << scores.acc_new;
  EXPECT_FALSE(TwoWayBatch(*model_, 1, prompts, Ids(3)).score({}).acc_true.defined());
  // A model whose numbers have left their range hits nothing and misses nothing.
  auto const broken =
      TwoWayBatch(*model_, 1, prompts, Ids(3), true).score({{}, {}, mask * std::numeric_limits<float>::quiet_NaN()});
  EXPECT_TRUE(broken.acc_true.isnan().all().item<bool>());
}

TEST_P(TwoWay, EditsAndMasks) {
  auto const out = projection_.weight.size(0), in = projection_.weight.size(1);
  TwoWayBatch const batch(*model_, 1, prompts_, edit_of_prompt_);
  auto const left = random_tensor({3, 1, out}, 10), right = random_tensor({3, 1, in}, 11, 0.5);
  auto const mask = random_tensor({out, in}, 12).gt(-1).to(at::kFloat);
  std::vector<at::Tensor> edited, masked, both;
  for (auto e : edit_of_prompt_) {
    edited.push_back(projection_.weight + at::outer(left[e][0], right[e][0]));
    masked.push_back(projection_.weight * mask);
    both.push_back(edited.back() * mask);
  }
  check(batch.score({left, right, {}}), edited);
  check(batch.score({{}, {}, mask}), masked);
  check(batch.score({left, right, mask}), both);
  check(batch.score({left, right, at::ones({out, in})}), edited);
}

TEST_P(TwoWay, CachedRowsComeBackInAnyOrder) {
  std::vector<Ids> rows;
  for (std::uint64_t i = 0; i < 70; ++i) rows.push_back(random_ids(1 + i % 6, 50 + i));  // more than are run at once
  CachedRows const cached(*model_, 1, rows);
  ASSERT_EQ(cached.size(), 70U);
  Ids const wanted{69, 3, 3, 0};
  auto const batch = cached.batch(wanted);
  auto const keys = batch.half.key.split_with_sizes(batch.layout.counts);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto const& row = rows[static_cast<std::size_t>(wanted[i])];
    auto const packed = pack_rows({row}, at::kCPU);
    Pass const pass(*model_, packed.layout);
    auto const half = pass.halfway(1, pass.run(0, 0, pass.embed(packed.ids)));
    EXPECT_LT(largest_difference(keys[i], half.key), 1e-5) << i;
  }
}

}  // namespace
}  // namespace onemask::test
