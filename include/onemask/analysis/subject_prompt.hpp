#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// Two tokens, of the true and of the new object.
using ObjectTokens = std::array<std::int64_t, 2>;

/// The rewrite prompt of a fact, where its subject stands, and the tokens whose logits are taken apart.
struct SubjectPrompt {
  std::vector<std::int64_t> ids;
  std::int64_t subject_first = 0, subject_last = 0;  ///< places of the subject's first and last token in `ids`
  ObjectTokens objects{};                            ///< the first tokens of " " + object
  /// Those of the published decomposition: the first token of the object without its space; for GPT-2, whose tokenizer adds one
  /// there, with it.
  ObjectTokens published_objects{};
};

/// `family` is ModelConfig::family, `leading_space` as in encode_prompt. Throws UserError where the prompt needs more than
/// `positions`, or an object tokenizes to nothing.
SubjectPrompt make_subject_prompt(Tokenizer const& tokenizer, Fact const& fact, bool leading_space, std::string const& family,
                                  std::int64_t positions);

}  // namespace onemask
