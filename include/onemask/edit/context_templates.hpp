#pragma once

#include <onemask/model/causal_lm.hpp>
#include <onemask/settings/context_templates.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Throws UserError when a template of `length` tokens leaves the model no position for a prompt.
void require_template_length(ModelConfig const& config, Tokenizer const& tokenizer, int length);

/// Samples templates from the model: "{}" and, for every (length, count), `count` texts of `length` tokens that begin with common
/// words, drawn from the 5 likeliest tokens each time, followed by ". {}". The same seed gives the same templates. Throws
/// UserError as above.
ContextTemplates sample_context_templates(CausalLM const& model, Tokenizer const& tokenizer,
                                          std::vector<std::pair<int, int>> const& length_params, std::uint64_t seed);

}  // namespace onemask
