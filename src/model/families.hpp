#pragma once

#include <onemask/model/causal_lm.hpp>

#include <memory>

namespace onemask {

// One maker per family, each defined in the file of its name.
std::unique_ptr<CausalLM> make_gpt2(Checkpoint const& checkpoint, Placement placement);
std::unique_ptr<CausalLM> make_llama(Checkpoint const& checkpoint, Placement placement);

}  // namespace onemask
