#include "support/tiny_families.hpp"
#include <onemask/model/head_loss.hpp>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

/// Three more tokens than one slice of the loss, so that slices have to be joined.
constexpr std::int64_t tokens = 259;

/// The same tests for a head without and one with a bias, which adds nothing to slopes, and one whose logits are capped.
class HeadLossTest : public testing::TestWithParam<std::string> {
 protected:
  HeadLossTest() {
    RandomStream random({5});
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < tokens; ++i) ids.push_back(static_cast<std::int64_t>(random.below(tiny_vocabulary)));
    targets_ = at::tensor(ids, at::kLong);
  }

  at::Tensor wide_logits(at::Tensor const& hidden) const {
    auto const logits = at::matmul(hidden, model_->head().to(at::kDouble).t());
    if (auto const cap = model_->config().logit_cap) return at::tanh(logits / *cap) * *cap;
    return model_->head_bias().defined() ? logits + model_->head_bias() : logits;
  }

  /// Compares value and gradient with a float64 loss per token, by central differences along random directions of each token.
  template <typename Loss>
  void check(HeadLoss const& ours, Loss const& loss) const {
    auto const start = hidden_.to(at::kDouble);
    ASSERT_EQ(ours.value.numel(), tokens);
    EXPECT_LT(largest_difference(ours.value, loss(start)), 3e-5);
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      auto const direction = random_tensor({tokens, 16}, 40 + seed).to(at::kDouble);
      double const step = 1e-5;
      auto const slope = (loss(start + step * direction) - loss(start - step * direction)) / (2 * step);
      EXPECT_LT(largest_difference((ours.gradient.to(at::kDouble) * direction).sum(1), slope), 1e-4);
    }
  }

  std::unique_ptr<CausalLM> const model_ = tiny_family(GetParam()).load();
  at::Tensor const hidden_ = random_tensor({tokens, 16}, 1), other_ = random_tensor({tokens, 16}, 2);
  at::Tensor targets_;
};

INSTANTIATE_TEST_SUITE_P(Families, HeadLossTest, testing::Values("gpt2", "gptj", "gemma2"));

TEST_P(HeadLossTest, LikelihoodOfATarget) {
  check(negative_log_likelihood(*model_, hidden_, targets_), [&](at::Tensor const& hidden) {
    return at::log_softmax(wide_logits(hidden), -1).gather(1, targets_.unsqueeze(1)).squeeze(1).neg();
  });
}

TEST_P(HeadLossTest, DivergenceFromAReference) {
  auto const reference = log_probabilities(*model_, other_);
  auto const wide = at::log_softmax(wide_logits(other_.to(at::kDouble)), -1);
  EXPECT_LT(largest_difference(reference, wide), 1e-5);
  check(divergence_from(*model_, hidden_, reference), [&](at::Tensor const& hidden) {
    auto const current = at::log_softmax(wide_logits(hidden), -1);
    return (current.exp() * (current - wide)).sum(1);
  });
}

TEST_P(HeadLossTest, DivergenceFromItselfIsZeroAndFlat) {
  auto const same = divergence_from(*model_, hidden_, log_probabilities(*model_, hidden_));
  EXPECT_LT(same.value.abs().max().item<double>(), 1e-6);
  EXPECT_LT(same.gradient.abs().max().item<double>(), 1e-5);
}

TEST_P(HeadLossTest, DistillationAtATemperature) {
  auto const scores = at::stack({targets_, targets_.flip(0)}, 1);
  for (double temperature : {1.0, 3.5}) {
    auto const ours = distillation(*model_, hidden_, other_, temperature, scores);
    auto const teacher = at::log_softmax(wide_logits(other_.to(at::kDouble)) / temperature, -1);
    check(ours.loss, [&](at::Tensor const& hidden) {
      auto const student = at::log_softmax(wide_logits(hidden) / temperature, -1);
      return temperature * temperature * (teacher.exp() * (teacher - student)).sum(1);
    });
    EXPECT_LT(largest_difference(ours.logits, wide_logits(hidden_.to(at::kDouble)).gather(1, scores)), 1e-5);
  }
}

TEST_P(HeadLossTest, NoGradientsAreLeftBehind) {
  c10::AutoGradMode const gradients(true);
  auto const leaf = hidden_.clone().requires_grad_(true);
  EXPECT_FALSE(negative_log_likelihood(*model_, leaf, targets_).value.requires_grad());
  EXPECT_FALSE(distillation(*model_, leaf, other_, 2, at::stack({targets_, targets_}, 1)).logits.requires_grad());
}

}  // namespace
}  // namespace onemask::test
