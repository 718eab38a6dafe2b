#pragma once

#include <onemask/data/tokenizer.hpp>
#include <onemask/model/causal_lm.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Prefixes that an edit is averaged over, each with one "{}" where the prompt goes; the first is "{}" itself.
using ContextTemplates = std::vector<std::string>;

/// Samples templates from the model: "{}" and, for every (length, count), `count` texts of `length` tokens that begin with common
/// words, drawn from the 5 likeliest tokens each time, followed by ". {}". The same seed gives the same templates.
ContextTemplates sample_context_templates(CausalLM const& model, Tokenizer const& tokenizer,
                                          std::vector<std::pair<int, int>> const& length_params, std::uint64_t seed);

/// Throws UserError naming `where` unless every template holds "{}" exactly once and the first is "{}".
void check_context_templates(ContextTemplates const& templates, std::string const& where);

}  // namespace onemask
