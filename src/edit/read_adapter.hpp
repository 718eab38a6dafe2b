#pragma once

#include <onemask/edit/finished_edit.hpp>

namespace onemask {

/// Reads a LoRA adapter of PEFT from its folder; see read_finished_edit.
FinishedEdit read_adapter(std::filesystem::path const& folder, CausalLM const& model);

}  // namespace onemask
