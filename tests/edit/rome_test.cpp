#include "edit/tiny_request.hpp"
#include "support/tiny_families.hpp"
#include <onemask/core/error.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/model/pass.hpp>

#include <cmath>

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

/// One row of tokens, whole, with delta added to the edited matrix' output at one place.
struct DenseRow {
  at::Tensor key;                ///< [in] at the place
  at::Tensor value;              ///< [out] the matrix' output there
  at::Tensor log_probabilities;  ///< [tokens, vocabulary] float64
};

DenseRow dense_row(CausalLM const& model, EditRequest::Row const& row, int layer, int last, at::Tensor const& delta) {
  c10::NoGradGuard const no_gradients;
  auto const packed = pack_rows({row.ids}, at::kCPU);
  Pass const pass(model, packed.layout);
  auto const half = pass.halfway(layer, pass.run(0, layer - 1, pass.embed(packed.ids)));
  auto const value = project(model.projection(layer), half.key);
  auto changed = value.clone();
  changed[row.lookup].add_(delta);
  auto const residual = half.residual + model.mlp_output(layer, changed);
  auto const logits = model.logits(model.final_norm(pass.run(layer + 1, last, residual)));
  return {half.key[row.lookup], value[row.lookup], at::log_softmax(logits.to(at::kDouble), -1)};
}

/// Loss of a request under delta, from whole rows one by one (arXiv 2202.05262, equation 4).
ValueStep dense_loss(CausalLM const& model, EditRequest const& request, EditHparams const& h, at::Tensor const& delta) {
  auto const count = std::ssize(request.target);
  ValueStep step{};
  for (auto const& context : request.contexts) {
    auto const table = dense_row(model, context, h.layer(), h.v_loss_layer, delta).log_probabilities;
    double sum = 0;
    for (std::ptrdiff_t k = 0; k < count; ++k) {
      sum += table[std::ssize(context.ids) - count + k][request.target[static_cast<std::size_t>(k)]].item<double>();
    }
    step.nll -= sum / static_cast<double>(count) / static_cast<double>(request.contexts.size());
    step.p_new += std::exp(sum / static_cast<double>(count)) / static_cast<double>(request.contexts.size());
  }
  auto const nothing = at::zeros_like(delta);
  auto const before =
      dense_row(model, request.essence, h.layer(), h.v_loss_layer, nothing).log_probabilities[request.essence.lookup];
  auto const after =
      dense_row(model, request.essence, h.layer(), h.v_loss_layer, delta).log_probabilities[request.essence.lookup];
  step.kl = h.kl_factor * (after.exp() * (after - before)).sum().item<double>();
  auto const v0 = dense_row(model, request.contexts.front(), h.layer(), h.v_loss_layer, nothing).value.norm().item<double>();
  step.weight_decay = h.v_weight_decay * delta.norm().item<double>() / (v0 * v0);
  step.loss = step.nll + step.kl + step.weight_decay;
  return step;
}

/// A small model whose windows reach over all rows here.
std::unique_ptr<CausalLM> far_sighted(std::string const& family) {
  auto checkpoint = tiny_family(family);
  std::string const window = R"("sliding_window": 3)";
  auto const found = checkpoint.config.find(window);
  if (found != std::string::npos) checkpoint.config.replace(found, window.size(), R"("sliding_window": 64)");
  return checkpoint.load();
}

class Rome : public testing::TestWithParam<std::string> {
 protected:
  Rome() {
    hparams_.layers = {1};
    hparams_.v_loss_layer = 2;
    hparams_.v_num_grad_steps = 12;
    hparams_.v_lr = 0.3;
    hparams_.clamp_norm_factor = 10;
  }

  RomeResult one(EditRequest const& request) const { return rome(*model_, {&request, 1}, hparams_).front(); }

  /// (W + left rightᵀ) key + b
  at::Tensor edited_value(Edit const& edit, at::Tensor const& key) const {
    return project(model_->projection(edit.layer), key.unsqueeze(0),
                   {edit.left.unsqueeze(0), edit.right.unsqueeze(0), at::zeros({1}, at::kLong), {}})
        .squeeze(0);
  }

  std::unique_ptr<CausalLM> const model_ = far_sighted(GetParam());
  std::vector<EditRequest> const requests_{make_request(1, {0, 3, 6}, 2, 2), make_request(2, {0, 2, 4}, 3, 1),
                                           make_request(3, {0, 5, 1}, 1, 3)};
  /// Targets right behind the edited token, which delta therefore reaches without attention.
  std::vector<EditRequest> const direct_{make_request(4, {0, 3, 6}, 0, 1), make_request(5, {0, 2, 4}, 0, 1),
                                         make_request(6, {0, 5, 1}, 0, 1)};
  EditHparams hparams_;
};

INSTANTIATE_TEST_SUITE_P(Families, Rome, testing::Values("gpt2", "llama", "gemma2", "olmo2", "gpt_neox"));

TEST_P(Rome, TheEditedMatrixMapsThePlainKeyToTheNewValue) {
  for (auto const& request : requests_) {
    auto const [edit, trace] = one(request);
    auto const plain = dense_row(*model_, request.contexts.front(), 1, 2, at::zeros({16}));
    EXPECT_LT(largest_difference(trace.target_init, plain.value), 1e-5);
    EXPECT_LT(largest_difference(edited_value(edit, plain.key), plain.value + trace.delta), 1e-4);
    EXPECT_NEAR(edit.right.norm().item<double>(), 1, 1e-5);
  }
}

TEST_P(Rome, AveragedKeyInTheOtherVariant) {
  hparams_.method = EditMethod::r_rome;
  for (auto const& request : requests_) {
    auto const [edit, trace] = one(request);
    auto mean = at::zeros_like(trace.key);
    for (auto const& context : request.contexts) mean += dense_row(*model_, context, 1, 2, at::zeros({16})).key / 3;
    EXPECT_LT(largest_difference(trace.key, mean), 1e-5);
    EXPECT_LT(largest_difference(edited_value(edit, mean), trace.target_init + trace.delta), 1e-4);
  }
}

TEST_P(Rome, LossesEqualThoseOfWholeRows) {
  for (auto const& request : requests_) {
    auto const trace = one(request).trace;
    auto const first = dense_loss(*model_, request, hparams_, at::zeros({16}));
    EXPECT_NEAR(trace.steps.front().loss, first.loss, 1e-4);
    EXPECT_NEAR(trace.steps.front().kl, 0, 1e-7);
    EXPECT_EQ(trace.steps.front().weight_decay, 0);
    auto const last = dense_loss(*model_, request, hparams_, trace.delta);
    EXPECT_NEAR(trace.steps.back().nll, last.nll, 1e-4);
    EXPECT_NEAR(trace.steps.back().kl, last.kl, 1e-5);
    EXPECT_NEAR(trace.steps.back().weight_decay, last.weight_decay, 1e-5);
    EXPECT_NEAR(trace.steps.back().loss, last.loss, 1e-4);
    EXPECT_NEAR(trace.steps.back().p_new, last.p_new, 1e-4);
  }
}

TEST_P(Rome, LossGoesDownAndTheNewObjectBecomesLikelier) {
  hparams_.v_num_grad_steps = 40;
  hparams_.v_weight_decay = 0.01;
  // A norm bounds what a value can do.
  bool const bounded = model_->config().mlp_norm;
  if (bounded) hparams_.v_lr = 0.1;
  for (auto const& result : rome(*model_, direct_, hparams_)) {
    auto const& steps = result.trace.steps;
    EXPECT_LT(steps.back().loss, (bounded ? 0.9 : 0.8) * steps.front().loss);
    EXPECT_GT(steps.back().p_new, (bounded ? 1.4 : 2) * steps.front().p_new);
    EXPECT_EQ(result.edit.steps, std::ssize(steps));
    EXPECT_EQ(result.edit.loss, steps.back().loss);
    EXPECT_EQ(result.edit.p_new, steps.back().p_new);
  }
  for (auto const& result : rome(*model_, requests_, hparams_)) EXPECT_LT(result.edit.loss, result.trace.steps.front().loss);
}

TEST_P(Rome, FirstStepGoesDownhillByTheLearningRate) {
  hparams_.v_num_grad_steps = 2;
  hparams_.v_lr = 1e-3;
  auto const trace = one(requests_[0]).trace;
  // Adam's first step is the sign of the gradient, times the rate.
  EXPECT_LT(largest_difference(trace.delta.abs(), at::full({16}, 1e-3)), 1e-5);
  for (std::int64_t i = 0; i < 16; ++i) {
    auto probe = at::zeros({16});
    probe[i] = 0.01;
    // Without the decay, which only begins to pull away from zero.
    auto hparams = hparams_;
    hparams.v_weight_decay = 0;
    auto const slope =
        dense_loss(*model_, requests_[0], hparams, probe).loss - dense_loss(*model_, requests_[0], hparams, -probe).loss;
    if (std::abs(slope) < 1e-4) continue;
    EXPECT_EQ(trace.delta[i].item<double>() < 0, slope > 0) << i;
  }
}

TEST_P(Rome, ABatchEqualsItsRequestsAlone) {
  auto const together = rome(*model_, requests_, hparams_);
  ASSERT_EQ(together.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    auto const alone = one(requests_[i]);
    EXPECT_EQ(together[i].edit.case_id, requests_[i].case_id);
    EXPECT_EQ(together[i].edit.steps, alone.edit.steps);
    auto const close = [&](at::Tensor const& a, at::Tensor const& b) {
      EXPECT_LT((a - b).norm().item<double>(), 1e-4 * b.norm().item<double>()) << "request " << i;
    };
    close(together[i].edit.left, alone.edit.left);
    close(together[i].edit.right, alone.edit.right);
    close(together[i].trace.delta, alone.trace.delta);
  }
}

TEST_P(Rome, DeltaStaysInTheBall) {
  hparams_.clamp_norm_factor = 0.5;
  hparams_.v_weight_decay = 0;
  hparams_.v_num_grad_steps = 30;
  for (auto const& result : rome(*model_, requests_, hparams_)) {
    EXPECT_LE(result.edit.delta_norm, 0.5 * result.edit.value_norm * (1 + 1e-5));
    EXPECT_GE(result.edit.delta_norm, 0.4 * result.edit.value_norm);  // and would like to leave it
    EXPECT_NEAR(result.edit.delta_norm, result.trace.delta.norm().item<double>(), 1e-5);
    EXPECT_NEAR(result.edit.value_norm, result.trace.target_init.norm().item<double>(), 1e-5);
  }
}

TEST_P(Rome, StopsOnceTheLossIsSmall) {
  if (model_->config().mlp_norm) return;  // whatever the value, the norm bounds what it does: no loss here becomes as small
  hparams_.v_num_grad_steps = 400;
  hparams_.v_lr = 0.5;
  hparams_.clamp_norm_factor = 1000;
  hparams_.kl_factor = hparams_.v_weight_decay = 0;
  auto const results = rome(*model_, direct_, hparams_);
  bool stopped = false;
  for (auto const& result : results) {
    auto const& steps = result.trace.steps;
    if (steps.size() == 400) continue;
    stopped = true;
    EXPECT_LT(steps.back().loss, 0.05);
    for (std::size_t s = 0; s + 1 < steps.size(); ++s) EXPECT_GE(steps[s].loss, 0.05);
  }
  EXPECT_TRUE(stopped);
  // The delta of a request that stopped stays while others go on.
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].trace.steps.size() == 400) continue;
    EXPECT_NEAR(dense_loss(*model_, direct_[i], hparams_, results[i].trace.delta).loss, results[i].edit.loss, 1e-3) << i;
  }
}

TEST_P(Rome, ALossLayerBelowTheTop) {
  hparams_.layers = {0};
  hparams_.v_loss_layer = 1;
  auto const trace = one(requests_[0]).trace;
  EXPECT_NEAR(trace.steps.back().loss, dense_loss(*model_, requests_[0], hparams_, trace.delta).loss, 1e-4);
}

TEST_P(Rome, TheEditedLayerMayBeTheLast) {
  hparams_.layers = {2};
  hparams_.v_loss_layer = 2;
  auto const trace = one(requests_[1]).trace;
  EXPECT_NEAR(trace.steps.back().loss, dense_loss(*model_, requests_[1], hparams_, trace.delta).loss, 1e-4);
}

TEST_P(Rome, LayersThatAreNotThere) {
  auto const complaint = [&](int layer, int loss_layer) {
    hparams_.layers = {layer};
    hparams_.v_loss_layer = loss_layer;
    try {
      rome(*model_, requests_, hparams_);
    } catch (UserError const& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(complaint(3, 2), HasSubstr("0 to 2"));
  EXPECT_THAT(complaint(-1, 2), HasSubstr("layers"));
  EXPECT_THAT(complaint(1, 3), HasSubstr("v_loss_layer"));
}

TEST_P(Rome, NoRequestsGiveNoEdits) {
  EXPECT_TRUE(rome(*model_, {}, hparams_).empty());
}

TEST(RomeFailure, ALossThatIsNotFiniteSetsItsRequestAside) {
  auto checkpoint = tiny_gpt2();
  checkpoint.tensors["transformer.wpe.weight"][40].fill_(std::nan(""));  // only rows longer than 40 tokens reach it
  auto const model = checkpoint.load();
  std::vector const requests{make_request(1, {0, 3, 6}, 2, 2), make_request(2, {0, 2, 39}, 3, 1),
                             make_request(3, {0, 2, 4}, 1, 1)};
  EditHparams hparams;
  hparams.layers = {1};
  hparams.v_loss_layer = 2;
  hparams.v_num_grad_steps = 4;
  auto const results = rome(*model, requests, hparams);
  EXPECT_EQ(results[1].edit.failure, "the loss is not finite in step 0");
  EXPECT_FALSE(results[1].edit.left.defined());
  EXPECT_EQ(edit_from_bytes(to_bytes(results[1].edit), "failed").failure, results[1].edit.failure);
  for (std::size_t i : {0, 2}) {
    EXPECT_EQ(results[i].edit.failure, "");
    auto const alone = rome(*model, {&requests[i], 1}, hparams).front();
    EXPECT_LT(largest_difference(results[i].edit.left, alone.edit.left), 1e-4 * alone.edit.left.norm().item<double>());
  }
}

TEST(RomeFailure, AGradientThatIsNotFiniteIsNotFollowed) {
  auto const model = tiny_gpt2().load();
  std::vector const requests{make_request(1, {0, 3}, 2, 2), make_request(3, {0, 2}, 1, 1)};
  EditHparams hparams;
  hparams.layers = {1};
  hparams.v_loss_layer = 2;
  hparams.v_num_grad_steps = 4;
  hparams.v_lr = 1e-3;  // after a step the penalty is still a float32, but its slope is not
  hparams.v_weight_decay = 1e38;
  for (auto const& [edit, trace] : rome(*model, requests, hparams)) {
    EXPECT_EQ(edit.failure, "the gradient is not finite in step 1");
    ASSERT_EQ(trace.steps.size(), 2U);
    EXPECT_TRUE(std::isfinite(trace.steps[1].loss));
    EXPECT_TRUE(trace.delta.isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace onemask::test
