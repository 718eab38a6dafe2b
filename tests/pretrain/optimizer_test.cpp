#include "pretrain/optimizer.hpp"

#include "pretrain/tiny_body.hpp"
#include "support/world.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

TrainingOptions options_of(std::int64_t steps, std::int64_t warmup, std::string const& schedule) {
  TrainingOptions options;
  options.steps = steps;
  options.warmup = warmup;
  options.schedule = schedule;
  options.min_lr_ratio = 0.1;
  options.precision = "float32";
  return options;
}

TEST(LearningRate, RisesThenFallsToItsLeast) {
  auto const linear = options_of(14, 3, "linear"), cosine = options_of(14, 3, "cosine");
  for (auto const& options : {linear, cosine}) {
    EXPECT_DOUBLE_EQ(learning_rate_factor(options, 0), 0.25);
    EXPECT_DOUBLE_EQ(learning_rate_factor(options, 2), 0.75);
    EXPECT_DOUBLE_EQ(learning_rate_factor(options, 3), 1);
    EXPECT_DOUBLE_EQ(learning_rate_factor(options, 8), 0.55);  // half way
    EXPECT_DOUBLE_EQ(learning_rate_factor(options, 13), 0.1);
  }
  EXPECT_DOUBLE_EQ(learning_rate_factor(linear, 4), 0.91);
  EXPECT_DOUBLE_EQ(learning_rate_factor(cosine, 4), 0.1 + 0.9 * (1 + std::cos(std::acos(-1.0) / 10)) / 2);
}

TEST(LearningRate, AWarmupMayBeAbsentOrAsLongAsTheTraining) {
  EXPECT_DOUBLE_EQ(learning_rate_factor(options_of(1, 0, "cosine"), 0), 1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(options_of(4, 9, "linear"), 3), 0.4);
}

/// Singular values, largest first.
at::Tensor spectrum(at::Tensor const& matrix) {
  return at::linalg_svdvals(matrix.to(at::kDouble));
}

TEST(Orthogonalised, SingularValuesComeOutNearOne) {
  for (auto const& [rows, columns] : {std::pair{24, 40}, {40, 24}, {16, 64}, {48, 16}, {1, 9}}) {
    auto const matrix = random_tensor({rows, columns}, static_cast<std::uint64_t>(rows), 3);
    for (auto const type : {at::kFloat, at::kBFloat16}) {
      auto const result = orthogonalised(matrix, type);
      ASSERT_EQ(result.sizes(), matrix.sizes());
      EXPECT_EQ(result.scalar_type(), type);
      auto const values = spectrum(result);
      EXPECT_GT(values.min().item<double>(), 0.65) << rows << " x " << columns;
      EXPECT_LT(values.max().item<double>(), 1.25) << rows << " x " << columns;
    }
  }
}

TEST(Orthogonalised, SingularVectorsStay) {
  auto const matrix = random_tensor({12, 30}, 1).to(at::kDouble);
  auto const [u, s, v] = at::linalg_svd(matrix, false);
  auto const seen = at::mm(at::mm(u.t(), orthogonalised(matrix.to(at::kFloat), at::kFloat).to(at::kDouble)), v.t());
  EXPECT_LT((seen - at::diag(seen.diag())).abs().max().item<double>(), 1e-4);
}

TEST(Orthogonalised, NothingStaysNothing) {
  EXPECT_EQ(orthogonalised(at::zeros({4, 6}), at::kBFloat16).count_nonzero().item<std::int64_t>(), 0);
}

/// The weights after some steps on gradients that are made up.
at::Tensor after_steps(Communicator const& comm, std::int64_t steps) {
  auto const weights = weights_of(tiny_config("gpt2"));
  Optimizer optimizer(weights, random_weights(weights, 1), options_of(10, 2, "cosine"), comm);
  for (std::int64_t step = 0; step < steps; ++step) {
    optimizer.step(random_tensor({optimizer.flat().numel()}, 10 + static_cast<std::uint64_t>(step), 1e-3), step);
  }
  return optimizer.flat();
}

TEST(Optimizer, FirstStepIsAsWrittenInThePapers) {
  auto const weights = weights_of(tiny_config("llama"));
  auto const before = random_weights(weights, 1);
  auto const options = options_of(10, 1, "cosine");
  Optimizer optimizer(weights, before.clone(), options, world());
  auto const gradient = random_tensor(before.sizes(), 2, 1e-3);
  optimizer.step(gradient, 0);
  for (auto const& weight : weights) {
    auto const change = view_of(optimizer.flat(), weight) - view_of(before, weight), slope = view_of(gradient, weight);
    if (weight.kind == Weight::Kind::matrix) {
      double const wide = std::sqrt(std::max(1.0, static_cast<double>(weight.shape[0]) / static_cast<double>(weight.shape[1])));
      auto const expected = orthogonalised(slope, at::kFloat) * (-0.5 * options.muon_lr * wide);
      EXPECT_LT(largest_difference(change, expected), 1e-5) << weight.name;
    } else {
      auto const expected = slope / (slope.abs() + 1e-8) * (-0.5 * options.adam_lr);  // both moments are those of one gradient
      EXPECT_LT(largest_difference(change, expected), 1e-6) << weight.name;
    }
  }
}

TEST(Optimizer, RanksAgreeWithOneAlone) {
  auto const alone = after_steps(world().split(world().rank(), 0), 4), together = after_steps(world(), 4);
  EXPECT_TRUE(alone.equal(together));
}

}  // namespace
}  // namespace onemask::test
