#pragma once

#include <onemask/model/causal_lm.hpp>

#include <memory>

#include <ATen/core/Tensor.h>

namespace onemask {

/// A matrix with its bias, or scale and shift of a norm.
struct Linear {
  at::Tensor weight, bias;
};

// Each is defined in the file of its name.
std::unique_ptr<CausalLM> make_gpt2(Checkpoint const& checkpoint, Placement placement);
std::unique_ptr<CausalLM> make_gptj(Checkpoint const& checkpoint, Placement placement);
/// Also Mistral and Qwen2, which differ from Llama in their configuration alone.
std::unique_ptr<CausalLM> make_llama(Checkpoint const& checkpoint, Placement placement);

}  // namespace onemask
