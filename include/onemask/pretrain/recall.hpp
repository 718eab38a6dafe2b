#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/pretrain/study.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// A prompt whose continuation is known.
struct RecallPrompt {
  std::string kind;  ///< "rewrite", "paraphrase", "held-out wording" or "neighborhood"
  std::vector<std::int64_t> ids;
  std::int64_t object, other;  ///< first tokens of the true object and of the new one
};

/// The prompts of a set's facts, in the facts' order. Throws UserError naming the fact whose prompt has more than
/// `positions` tokens.
std::vector<RecallPrompt> recall_prompts(RecallSet const& set, Tokenizer const& tokenizer, std::int64_t positions);

/// How many of a set's prompts of a kind a model knows.
struct Recall {
  std::string set, kind;
  std::int64_t n = 0;
  std::int64_t top1 = 0;     ///< the object's first token is the likeliest of all
  std::int64_t two_way = 0;  ///< it is likelier than the new object's

  bool operator==(Recall const&) const = default;
};

/// Recall of a set by kind. The ranks share out the prompts. Collective; the model must be the same on all.
std::vector<Recall> measure_recall(CausalLM const& model, std::string const& set, std::vector<RecallPrompt> const& prompts,
                                   Communicator const& comm);

}  // namespace onemask
