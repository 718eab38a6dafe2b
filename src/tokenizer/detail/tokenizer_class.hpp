#pragma once

#include <optional>
#include <string_view>

namespace onemask::detail {

/// What a class of transformers' fast tokenizers decides, beyond what the files say.
struct TokenizerClass {
  std::string_view name;  ///< without "Fast"
  /// Tokens for beginning and end where no file names them; empty for none.
  std::string_view bos, eos;
  /// Whether "add_bos_token" decides what is put before a text, and its value where absent. Elsewhere tokenizer.json's template
  /// decides.
  std::optional<bool> adds_bos;
  /// Whether "add_prefix_space", false where absent, overrides what the step ByteLevel of tokenizer.json says.
  bool sets_prefix_space;
  /// How vocab.json and merges.txt are read where there is no tokenizer.json.
  enum class Files { none, gpt2, qwen2 } files;
};

/// The class that the settings name, such as "LlamaTokenizerFast"; nothing for others than those of the supported families.
TokenizerClass const* find_tokenizer_class(std::string_view name);

/// The class of models of a type such as "llama", where no file names one; nothing for unknown types.
TokenizerClass const* tokenizer_class_of_model(std::string_view model_type);

}  // namespace onemask::detail
