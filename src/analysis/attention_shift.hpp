#pragma once

#include "analysis/readout.hpp"
#include <onemask/analysis/pass_recorder.hpp>

#include <ATen/ATen.h>

namespace onemask {

/// What a model's attention at the prompt's last place does with the subject, head by head, beside the unedited model:
/// [prompts, layers, heads, measures] float32, the measures in the order of AttentionMeasure. `readout` is that of the model's
/// own last places, [prompts, 2, hidden].
///
/// With probabilities A, values v and the readout q of a head, of the model (') and of the unedited one, the shift
/// Σ_j (A'_j v'_j - A_j v_j) q is the sum of pattern (A' - A) v q, value A (v' - v) q and interaction (A' - A)(v' - v) q.
at::Tensor attention_shift(PassRecorder const& recorder, CausalLM const& model, PassRecord const& record,
                           PassRecord const& original, at::Tensor const& direction);

/// The same of whole layers, [prompts, layers, measures]: means over heads of attention and of drifting heads, its largest head,
/// sums over heads of the others.
at::Tensor over_heads(at::Tensor const& shift);

}  // namespace onemask
