#pragma once

#include "analysis/readout.hpp"
#include <onemask/analysis/pass_recorder.hpp>

#include <ATen/ATen.h>

namespace onemask {

/// What the parts of the residual stream at the read places add to the logits of both objects, [read, 2 * layers + 3, 2] float32:
/// embedding, attention of each layer, MLP of each layer, the constant, and the logit itself as the model computes it, before a
/// soft cap. All but the last add up to it where the readout is frozen.
at::Tensor contributions(CausalLM const& model, PassRecord const& record, Readout const& readout, at::Tensor const& tokens);

/// The heads' weighted values of a layer at the read places, [read, heads * head_dim].
at::Tensor contexts(PassRecord const& record, int layer);

/// The attention of each layer in parts, [read, layers, heads + 1, 2]: its heads, then the bias of its projection. They add up to
/// the layer's part of contributions().
at::Tensor head_contributions(CausalLM const& model, PassRecord const& record, Readout const& readout);

/// The attention of each layer by the place that it reads, [read, layers, heads, width, 2]; without the bias.
at::Tensor source_contributions(CausalLM const& model, PassRecord const& record, Readout const& readout);

/// Inner units of the edited MLPs, [read, edited layers, inner, 2]: what each adds through its column of the second projection,
/// with edit and mask in place.
at::Tensor unit_contributions(PassRecorder const& recorder, RecordedModel const& recorded, PassRecord const& record,
                              Readout const& readout);

}  // namespace onemask
