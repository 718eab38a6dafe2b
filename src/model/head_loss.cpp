#include <onemask/model/head_loss.hpp>

#include <algorithm>
#include <functional>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

/// Tokens whose logits are held at once: enough for a full-speed product, few enough to stay near the processor's cache.
constexpr std::int64_t slice_tokens = 256;

/// Calls work(first, count) for slices of `tokens`, joins the pieces it returns.
HeadLoss in_slices(std::int64_t tokens, std::function<HeadLoss(std::int64_t, std::int64_t)> const& work) {
  std::vector<at::Tensor> values, gradients;
  for (std::int64_t first = 0; first < tokens; first += slice_tokens) {
    auto piece = work(first, std::min(slice_tokens, tokens - first));
    values.push_back(std::move(piece.value));
    gradients.push_back(std::move(piece.gradient));
  }
  return {at::cat(values), at::cat(gradients)};
}

/// What the head says of some tokens.
struct HeadOutput {
  at::Tensor log_probabilities;  ///< [tokens, vocabulary] float32
  at::Tensor slope;              ///< as logit_slope has it
};

HeadOutput head_output(CausalLM const& model, at::Tensor const& normed) {
  auto const logits = model.logits(normed);
  return {at::log_softmax(logits, -1, at::kFloat), logit_slope(model, logits)};
}

/// The gradient with respect to hidden states, from that with respect to logits.
at::Tensor through_head(CausalLM const& model, at::Tensor const& logit_gradient, at::Tensor const& slope) {
  auto const gradient = slope.defined() ? logit_gradient * slope : logit_gradient;
  return at::matmul(gradient.to(model.dtype()), model.head());
}

}  // namespace

at::Tensor logit_slope(CausalLM const& model, at::Tensor const& logits) {
  auto const cap = model.config().logit_cap;
  return cap ? 1 - (logits.to(at::kFloat) / *cap).square() : at::Tensor();
}

at::Tensor log_probabilities(CausalLM const& model, at::Tensor const& normed) {
  return at::log_softmax(model.logits(normed), -1, at::kFloat);
}

HeadLoss negative_log_likelihood(CausalLM const& model, at::Tensor const& normed, at::Tensor const& targets) {
  c10::NoGradGuard const no_gradients;
  return in_slices(normed.size(0), [&](std::int64_t first, std::int64_t count) {
    auto const wanted = targets.narrow(0, first, count).unsqueeze(1);
    auto const [log_probability, slope] = head_output(model, normed.narrow(0, first, count));
    auto logit_gradient = log_probability;
    auto value = logit_gradient.gather(1, wanted).squeeze(1).neg();
    logit_gradient.exp_();
    logit_gradient.scatter_add_(1, wanted, at::full({count, 1}, -1.0, logit_gradient.options()));
    return HeadLoss{value, through_head(model, logit_gradient, slope)};
  });
}

HeadLoss divergence_from(CausalLM const& model, at::Tensor const& normed, at::Tensor const& reference) {
  c10::NoGradGuard const no_gradients;
  return in_slices(normed.size(0), [&](std::int64_t first, std::int64_t count) {
    auto const [current, slope] = head_output(model, normed.narrow(0, first, count));
    auto const gap = current - reference.narrow(0, first, count);
    auto const p = current.exp();
    auto const value = (p * gap).sum(1);
    auto const logit_gradient = p * (gap - value.unsqueeze(1));
    return HeadLoss{value, through_head(model, logit_gradient, slope)};
  });
}

Distillation distillation(CausalLM const& model, at::Tensor const& normed, at::Tensor const& reference, double temperature,
                          at::Tensor const& scores) {
  c10::NoGradGuard const no_gradients;
  std::vector<at::Tensor> logits;
  auto loss = in_slices(normed.size(0), [&](std::int64_t first, std::int64_t count) {
    auto const current = model.logits(normed.narrow(0, first, count)).to(at::kFloat);
    logits.push_back(current.gather(1, scores.narrow(0, first, count)));
    auto const student = at::log_softmax(current / temperature, -1);
    auto const teacher = at::log_softmax(model.logits(reference.narrow(0, first, count)).to(at::kFloat) / temperature, -1);
    auto const p = teacher.exp();
    auto const value = (p * (teacher - student)).sum(1) * (temperature * temperature);
    auto const logit_gradient = (student.exp() - p) * temperature;
    return HeadLoss{value, through_head(model, logit_gradient, logit_slope(model, current))};
  });
  return {std::move(loss), at::cat(logits)};
}

}  // namespace onemask
