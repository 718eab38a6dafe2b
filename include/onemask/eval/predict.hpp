#pragma once

#include <onemask/model/causal_lm.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace onemask {

/// A token that may follow a prompt.
struct Prediction {
  std::int64_t id;
  std::string text;    ///< bytes of the token; empty for a row of the embedding that the tokenizer has no token for
  double probability;  ///< softmax over the whole vocabulary
  double logit;
};

/// The k likeliest next tokens (all, where the vocabulary is smaller), likeliest first; of equal ones the smaller id. Throws
/// UserError when the prompt is empty, longer than the model's positions, or has tokens that the model does not know, and when
/// k < 1.
std::vector<Prediction> predict(CausalLM const& model, Tokenizer const& tokenizer, std::string_view prompt, int k);

}  // namespace onemask
