#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <string>
#include <vector>

namespace onemask {

/// By how much the unedited model knows a fact [nats]: the least over the prompts that ask for it; not a number where the model's
/// numbers are not, and where one of the prompts with its object is longer than the model's positions.
struct FactMargins {
  double two_way = 0;  ///< RSM: log P(true object) - log P(new object), as in PromptMetrics
  double top1 = 0;     ///< of the true object's tokens: log P(token) - log P(likeliest other token in its place)

  bool operator==(FactMargins const&) const = default;
};

/// The margins of some facts, in one batch: other facts in it move the last bits. Asked for on the rewrite prompt, and where
/// `paraphrases` says so on the paraphrases as well; `leading_space` as in EvaluationOptions. A fact that does
/// not fit into the model's positions is warned of. Throws UserError for an object that tokenizes to nothing.
std::vector<FactMargins> margins_of(CausalLM const& model, Tokenizer const& tokenizer, std::vector<Fact const*> const& facts,
                                    bool paraphrases, bool leading_space);

/// A safetensors file with the margins.
std::string to_bytes(std::vector<FactMargins> const& margins);
/// Throws UserError naming `source` when the bytes are not the margins of so many facts.
std::vector<FactMargins> fact_margins_from_bytes(std::string bytes, std::size_t facts, std::string const& source);

}  // namespace onemask
