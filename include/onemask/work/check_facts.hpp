#pragma once

#include <onemask/checkpoint/config.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

namespace onemask {

/// Throws UserError, naming record and prompt, for facts that a task of the plan would refuse at its turn: an object that
/// tokenizes to nothing, or a prompt that needs more positions than the model has, when it is edited, trained on, scored or traced;
/// to be traced, its subject must be found in its tokens.
void check_facts(Study const& study, Plan const& plan, Tokenizer const& tokenizer, ModelConfig const& config);

}  // namespace onemask
