#include "tokenizer/detail/tokenizer_class.hpp"

#include "tokenizer/detail/gpt2.hpp"

#include <utility>

namespace onemask::detail {
namespace {

using Files = TokenizerClass::Files;

constexpr TokenizerClass classes[] = {
    {"LlamaTokenizer", "<s>", "</s>", true, false, Files::none},
    {"CodeLlamaTokenizer", "<s>", "</s>", true, false, Files::none},
    {"GemmaTokenizer", "<bos>", "<eos>", true, false, Files::none},
    {"GPTNeoXTokenizer", gpt2_end_of_text, gpt2_end_of_text, false, true, Files::none},
    {"GPT2Tokenizer", gpt2_end_of_text, gpt2_end_of_text, std::nullopt, true, Files::gpt2},
    {"CodeGenTokenizer", gpt2_end_of_text, gpt2_end_of_text, std::nullopt, true, Files::gpt2},
    {"Qwen2Tokenizer", "", gpt2_end_of_text, std::nullopt, false, Files::qwen2},
};

constexpr std::pair<std::string_view, std::string_view> of_models[] = {
    {"gpt2", "GPT2Tokenizer"},         {"gptj", "GPT2Tokenizer"},        {"gpt_neo", "GPT2Tokenizer"},
    {"phi", "CodeGenTokenizer"},       {"llama", "LlamaTokenizer"},      {"mistral", "LlamaTokenizer"},
    {"phi3", "LlamaTokenizer"},        {"qwen2", "Qwen2Tokenizer"},      {"qwen3", "Qwen2Tokenizer"},
    {"gemma", "GemmaTokenizer"},       {"gemma2", "GemmaTokenizer"},     {"gemma3", "GemmaTokenizer"},
    {"gemma3_text", "GemmaTokenizer"}, {"gpt_neox", "GPTNeoXTokenizer"}, {"olmo", "GPTNeoXTokenizer"},
    {"olmo2", "GPTNeoXTokenizer"},
};

}  // namespace

TokenizerClass const* find_tokenizer_class(std::string_view name) {
  if (name.ends_with("Fast")) name.remove_suffix(4);
  for (TokenizerClass const& each : classes) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

TokenizerClass const* tokenizer_class_of_model(std::string_view model_type) {
  for (auto const& [type, name] : of_models) {
    if (type == model_type) return find_tokenizer_class(name);
  }
  return nullptr;
}

}  // namespace onemask::detail
