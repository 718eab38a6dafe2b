#pragma once

#include <onemask/model/causal_lm.hpp>

#include <ATen/ATen.h>

namespace onemask {

/// A loss on the logits of some tokens: its value per token and its gradient with respect to their normalised hidden states.
/// Worked out in slices of tokens, so that never more than a slice's logits exist and none is kept for a backward pass.
struct HeadLoss {
  at::Tensor value;     ///< [tokens] float32
  at::Tensor gradient;  ///< [tokens, hidden], model dtype
};

/// Slope of each logit with respect to the product of hidden state and head: 1 - (logit / cap)² of a model that caps its logits,
/// float32; undefined, which stands for 1, of all others.
at::Tensor logit_slope(CausalLM const& model, at::Tensor const& logits);

/// -log P(target).  `normed` [tokens, hidden], `targets` [tokens] int64.
HeadLoss negative_log_likelihood(CausalLM const& model, at::Tensor const& normed, at::Tensor const& targets);

/// log P over the vocabulary at temperature 1, float32 [tokens, vocabulary].
at::Tensor log_probabilities(CausalLM const& model, at::Tensor const& normed);

/// KL(current ‖ reference), the reference as log-probabilities [tokens, vocabulary].
HeadLoss divergence_from(CausalLM const& model, at::Tensor const& normed, at::Tensor const& reference);

/// T² KL(reference ‖ current), both at temperature T; `reference` are normalised hidden states [tokens, hidden] of the original
/// model. `scores` [tokens, 2] int64 names two tokens whose logits are wanted as well; they come back in `logits`.
struct Distillation {
  HeadLoss loss;
  at::Tensor logits;  ///< [tokens, 2] float32
};
Distillation distillation(CausalLM const& model, at::Tensor const& normed, at::Tensor const& reference, double temperature,
                          at::Tensor const& scores);

}  // namespace onemask
