#pragma once

#include <onemask/model/causal_lm.hpp>

#include <memory>

namespace onemask {

// Each is defined in the file of its name.
std::unique_ptr<CausalLM> make_gemma(Checkpoint const& checkpoint, Placement placement);  // 2 and 3
std::unique_ptr<CausalLM> make_gpt2(Checkpoint const& checkpoint, Placement placement);
std::unique_ptr<CausalLM> make_gpt_neox(Checkpoint const& checkpoint, Placement placement);
std::unique_ptr<CausalLM> make_gptj(Checkpoint const& checkpoint, Placement placement);
/// Also Mistral and Qwen2, which differ from Llama in their configuration alone.
std::unique_ptr<CausalLM> make_llama(Checkpoint const& checkpoint, Placement placement);
std::unique_ptr<CausalLM> make_olmo2(Checkpoint const& checkpoint, Placement placement);
std::unique_ptr<CausalLM> make_phi3(Checkpoint const& checkpoint, Placement placement);
std::unique_ptr<CausalLM> make_qwen3(Checkpoint const& checkpoint, Placement placement);

}  // namespace onemask
