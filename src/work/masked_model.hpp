#pragma once

#include <onemask/edit/batch_edit.hpp>
#include <onemask/model/causal_lm.hpp>

#include <memory>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// The model with a mask [layers * out, in], true = kept, on the edited matrices of its layers, and with a batch edit before it,
/// if there is one: (W + ΔW) ∘ M there. An undefined mask is none.
std::unique_ptr<CausalLM> masked_model(CausalLM const& model, BatchEdit const* edit, std::vector<int> const& layers,
                                       at::Tensor const& keep);

}  // namespace onemask
