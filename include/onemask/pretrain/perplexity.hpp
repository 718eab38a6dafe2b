#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <filesystem>

namespace onemask {

struct Perplexity {
  double value = 0;         ///< exp of the mean of -log P
  std::int64_t tokens = 0;  ///< scored ones
};

/// Perplexity of a file of held-out text as a study of the model gives it: the documents are joined and cut into windows as by
/// the defaults of PerplexityOptions. The ranks share out the windows. Collective; the model must be the same on all. Throws
/// UserError when the file cannot be read or has fewer than two tokens.
Perplexity measure_perplexity(CausalLM const& model, Tokenizer const& tokenizer, std::filesystem::path const& text,
                              Communicator const& comm);

}  // namespace onemask
