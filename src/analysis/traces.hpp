#pragma once

#include "analysis/readout.hpp"
#include <onemask/analysis/pass_recorder.hpp>

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// What the residual stream says at some of the read places, `some` [places] int64, after the embedding and after every layer:
/// [places, layers + 1, 6] float32. For the true and the new object the logit so far (the parts up to there and the constant,
/// frozen norm; it ends at the logit), the log-probability under the logit lens (the final norm of the stream as it is), and its
/// rank there, from 1.
at::Tensor traces(CausalLM const& model, PassRecord const& record, Readout const& readout, at::Tensor const& tokens,
                  at::Tensor const& some);

/// Dimensions of the residual stream at the read places, [read, layers + 1, dimensions] float32.
at::Tensor dimension_tracks(PassRecord const& record, std::vector<std::int64_t> const& dimensions);

/// Every place of every prompt after the embedding and every layer, [prompts, width, layers + 1, 3] float32: |h - h_original| by
/// |h_original|; logit of the new object less that of the true one under the logit lens; attention of the prompt's last place,
/// mean over heads (NaN after the embedding). NaN past a prompt's end.
at::Tensor place_maps(PassRecorder const& recorder, CausalLM const& model, PassRecord const& record, PassRecord const& original);

/// The rows of place_maps of four places that prompts share, [prompts, 4, layers + 1, 3]: the subject's first and last token, the
/// one behind it (NaN where there is none), the last.
at::Tensor aligned_maps(PassRecorder const& recorder, at::Tensor const& maps);

}  // namespace onemask
