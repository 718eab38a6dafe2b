#include "pretrain/model_folder.hpp"
#include "pretrain/tiny_body.hpp"
#include <onemask/compute/fixed_point.hpp>
#include <onemask/model/pass.hpp>

#include <cmath>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using Ids = std::vector<std::int64_t>;

/// Asks for the logits behind every token of a sequence that begins at `place`.
void ask_everywhere(PackedRows& rows, std::int64_t place, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) rows.predictions.push_back({place + static_cast<std::int64_t>(i), 0, 1, false});
}

/// Logits [tokens, vocabulary] of the last sequence put into a row of 24 behind others.
at::Tensor logits_behind(TrainingBody const& body, std::vector<Ids> const& others, Ids const& ids) {
  PackedRows rows(1, 24);
  for (auto const& other : others) rows.add(other);
  ask_everywhere(rows, rows.add(ids), ids.size());
  return body.logits(rows);
}

class Body : public testing::TestWithParam<std::string> {
 protected:
  ModelConfig config_ = tiny_config(GetParam());
};

TEST_P(Body, LogitsAreThoseOfTheModelThatIsWritten) {
  TrainingBody body(config_, at::kFloat);
  auto const flat = random_weights(body.weights(), 1);
  body.set_weights(flat);
  std::vector<Ids> const sequences{tiny_ids(9, 1), tiny_ids(14, 2), tiny_ids(20, 3)};
  PackedRows rows(2, 24);
  for (auto const& ids : sequences) ask_everywhere(rows, rows.add(ids), ids.size());
  auto const ours = body.logits(rows);

  TemporaryFolder const folder;
  write_model(config_, body.weights(), flat, "float32", folder.path());
  auto const model = load_causal_lm(Checkpoint::open(folder.path()), {at::kCPU, at::kFloat});
  c10::NoGradGuard const no_gradients;
  auto const packed = pack_rows(sequences, at::kCPU);
  Pass const pass(*model, packed.layout);
  auto const theirs = model->logits(model->final_norm(pass.run(0, 1, pass.embed(packed.ids))));
  ASSERT_EQ(ours.sizes(), theirs.sizes());
  EXPECT_GT(theirs.std().item<double>(), 0.3);
  EXPECT_LT(largest_difference(ours, theirs), 1e-4);
}

TEST_P(Body, ASequenceKnowsNothingOfItsNeighbours) {
  TrainingBody body(config_, at::kFloat);
  body.set_weights(random_weights(body.weights(), 2));
  auto const ids = tiny_ids(7, 1);
  auto const alone = logits_behind(body, {}, ids);
  EXPECT_LT(largest_difference(alone, logits_behind(body, {tiny_ids(5, 2)}, ids)), 1e-5);
  EXPECT_LT(largest_difference(alone, logits_behind(body, {tiny_ids(3, 3), ids, tiny_ids(7, 4)}, ids)), 1e-5);

  PackedRows followed(1, 24);
  ask_everywhere(followed, followed.add(ids), ids.size());
  followed.add(tiny_ids(17, 5));
  EXPECT_LT(largest_difference(alone, body.logits(followed)), 1e-5);
}

TEST_P(Body, BfloatLogitsAreNear) {
  TrainingBody exact(config_, at::kFloat), body(config_, at::kBFloat16);
  auto const flat = random_weights(body.weights(), 3);
  exact.set_weights(flat);
  body.set_weights(flat);
  auto const expected = logits_behind(exact, {}, tiny_ids(20, 1)), logits = logits_behind(body, {}, tiny_ids(20, 1));
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  EXPECT_LT(((logits - expected).norm() / expected.norm()).item<double>(), 0.03);
}

/// Rows with predictions of weight 3 on objects and 1 on others.
PackedRows weighted_rows() {
  PackedRows rows(2, 24);
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    auto const ids = tiny_ids(8 + seed, seed);
    auto const place = rows.add(ids);
    for (std::size_t i = 1; i < ids.size(); i += 2) {
      bool const object = i + 2 >= ids.size();
      rows.predictions.push_back({place + static_cast<std::int64_t>(i) - 1, ids[i], object ? 3.0F : 1.0F, object});
    }
  }
  return rows;
}

TEST_P(Body, GradientsAreTheSlopesOfTheLoss) {
  constexpr int bits = 42;
  constexpr double total_weight = 20, step = 1e-2;
  TrainingBody body(config_, at::kFloat);
  auto const flat = random_weights(body.weights(), 4);
  auto const rows = weighted_rows();
  auto const loss_at = [&](at::Tensor const& weights) {
    body.set_weights(weights);
    auto const losses = body.add_gradient(rows, total_weight, bits, at::zeros({body.size()}, at::kLong));
    return (3 * losses.objects + losses.others) / total_weight;
  };
  body.set_weights(flat);
  auto const sum = at::zeros({body.size()}, at::kLong);
  body.add_gradient(rows, total_weight, bits, sum);
  auto const gradient = from_fixed_point(sum, bits, at::kDouble);
  for (std::size_t i = 0; i < body.weights().size(); ++i) {
    auto const& weight = body.weights()[i];
    auto const slope = gradient.narrow(0, weight.offset, weight.count);
    double const norm = slope.norm().item<double>();
    ASSERT_GT(norm, 1e-3) << weight.name;
    // Half along the gradient, half anywhere.
    auto way =
        slope / norm + random_tensor({weight.count}, 50 + i).to(at::kDouble) / std::sqrt(static_cast<double>(weight.count));
    way = way / way.norm();
    auto const moved = at::zeros_like(flat);
    moved.narrow(0, weight.offset, weight.count).copy_(way);
    double const measured = (loss_at(flat + step * moved) - loss_at(flat - step * moved)) / (2 * step);
    EXPECT_NEAR(measured, (slope * way).sum().item<double>(), 0.01 * norm) << weight.name;
  }
}

TEST_P(Body, GradientsOfRowsAddUpToThatOfAll) {
  TrainingBody body(config_, at::kFloat);
  body.set_weights(random_weights(body.weights(), 5));
  auto const rows = weighted_rows();
  auto const whole = at::zeros({body.size()}, at::kLong), parts = whole.clone();
  auto const losses = body.add_gradient(rows, 10, 42, whole);
  auto const first = body.add_gradient(rows.part(0, 1), 10, 42, parts),
             second = body.add_gradient(rows.part(1, 1), 10, 42, parts);
  EXPECT_NEAR(first.objects + second.objects, losses.objects, 1e-4);
  EXPECT_NEAR(first.others + second.others, losses.others, 1e-4);
  auto const expected = from_fixed_point(whole, 42, at::kDouble);
  EXPECT_LT(((from_fixed_point(parts, 42, at::kDouble) - expected).norm() / expected.norm()).item<double>(), 1e-5);
}

TEST_P(Body, RowsWithoutPredictionsHaveNoGradient) {
  TrainingBody body(config_, at::kFloat);
  body.set_weights(random_weights(body.weights(), 6));
  PackedRows rows(1, 24);
  rows.add(tiny_ids(5, 1));
  auto const sum = at::zeros({body.size()}, at::kLong);
  EXPECT_EQ(body.add_gradient(rows, 1, 42, sum).others, 0);
  EXPECT_EQ(sum.count_nonzero().item<std::int64_t>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Families, Body, testing::Values("gpt2", "llama"), [](auto const& test) { return test.param; });

}  // namespace
}  // namespace onemask::test
