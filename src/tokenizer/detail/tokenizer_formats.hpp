#pragma once

#include "tokenizer/detail/text_template.hpp"
#include "tokenizer/detail/tokenizer_builder.hpp"
#include "tokenizer/detail/tokenizer_folder.hpp"

namespace onemask::detail {

/// The two formats of a tokenizer. Each gives the builder all but the tokens that files beside it add.

/// tokenizer.json. Returns what its template puts around a text.
TextTemplate read_tokenizer_json(TokenizerFolder const& folder, TokenizerBuilder& builder);

/// vocab.json and merges.txt, by the rules of GPT-2 or Qwen2.
void read_vocabulary_and_merges(TokenizerFolder const& folder, TokenizerBuilder& builder);

}  // namespace onemask::detail
