#pragma once

#include <onemask/checkpoint/config.hpp>
#include <onemask/model/perplexity.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <vector>

namespace onemask {

/// A piece of the text whose perplexity is taken, with what is read of it.
struct TextWindows : TextPiece {
  std::vector<TextWindow> windows;
};

/// The text of a study in pieces of some thousand tokens, cut by its content alone; none where the study asks for no perplexity.
/// Throws UserError when a file cannot be read, has too few tokens, or the windows do not fit the model.
std::vector<TextWindows> read_text(PerplexityOptions const& options, Tokenizer const& tokenizer, ModelConfig const& config);

}  // namespace onemask
