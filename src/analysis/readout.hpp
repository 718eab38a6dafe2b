#pragma once

#include <onemask/model/causal_lm.hpp>

#include <ATen/ATen.h>

namespace onemask {

/// What reads logits off the residual stream. With the final norm's divisor frozen at a residual stream x, the logit of a token
/// is linear in the parts that x is the sum of: logit = Σ_v direction·v + constant.
struct Readout {
  at::Tensor direction;  ///< [places, tokens, hidden] float32
  at::Tensor constant;   ///< [places, tokens] float32: the final norm's shift and the head's bias
};

/// Of `tokens` [places, tokens] int64, frozen at `residual` [places, hidden]. Logits are those before a final soft cap (Gemma 2).
Readout frozen_readout(CausalLM const& model, at::Tensor const& residual, at::Tensor const& tokens);

/// That of the published decomposition: rows of the unembedding as they are, without a norm and a constant. Its parts do not add
/// up to the logit.
Readout published_readout(CausalLM const& model, at::Tensor const& tokens);

/// Logits of `tokens` [places, tokens] at `residual` [places, hidden], float32, before a final soft cap.
at::Tensor logits_of(CausalLM const& model, at::Tensor const& residual, at::Tensor const& tokens);

/// The same readout of what attention's heads give, one layer further down.
struct HeadReadout {
  at::Tensor direction;  ///< [places, tokens, heads, head_dim]: its product with a head's weighted values is what they add
  at::Tensor bias;       ///< [places, tokens]: what the projection's bias adds; zeros where there is none
};

/// `context` [places, heads * head_dim] are the weighted values; a norm behind attention is frozen at what is made of them.
HeadReadout head_readout(CausalLM const& model, int layer, at::Tensor const& direction, at::Tensor const& context);

}  // namespace onemask
