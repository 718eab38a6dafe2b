#pragma once

#include <onemask/model/causal_lm.hpp>
#include <onemask/settings/context_templates.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Samples templates from the model: "{}" and, for every (length, count), `count` texts of `length` tokens that begin with common
/// words, drawn from the 5 likeliest tokens each time, followed by ". {}". The same seed gives the same templates.
ContextTemplates sample_context_templates(CausalLM const& model, Tokenizer const& tokenizer,
                                          std::vector<std::pair<int, int>> const& length_params, std::uint64_t seed);

}  // namespace onemask
