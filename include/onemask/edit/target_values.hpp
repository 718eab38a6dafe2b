#pragma once

#include <onemask/edit/edit.hpp>
#include <onemask/edit/request.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// What the residual stream behind the highest edited layer shall be at the subjects' last tokens (z of MEMIT, arXiv 2210.07229,
/// section 4.3); of a model whose MLPs end with a norm, what the edited matrix' output shall be there.
struct TargetValues {
  std::vector<EditOutcome> facts;
  std::vector<std::int64_t> value_of;  ///< row of `values` of each fact
  at::Tensor values;                   ///< [values, hidden] float32 on the CPU
};

/// One value per request, or per subject for memit-merge. Requests whose search fails keep a row that nobody shall use.
TargetValues find_target_values(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams);

/// The values of several chunks, one after the other.
TargetValues joined(std::vector<TargetValues> const& chunks);

/// A safetensors file.
std::string to_bytes(TargetValues const& values);
/// Throws UserError naming `source` when the bytes are not target values.
TargetValues target_values_from_bytes(std::string bytes, std::string const& source);

}  // namespace onemask
