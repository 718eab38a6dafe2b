#include "tokenizer/detail/gpt2.hpp"
#include "tokenizer/detail/normalizer.hpp"
#include "tokenizer/detail/read_steps.hpp"
#include "tokenizer/detail/tokenizer_formats.hpp"
#include "tokenizer/detail/word_steps.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>

#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask::detail {
namespace {

/// What Qwen2's tokenizer cuts a text into words with.
constexpr char const* qwen2_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

void set_steps(TokenizerFolder const& folder, TokenizerBuilder& builder) {
  auto const space = folder.settings().find("add_prefix_space");
  bool const prefix_space = space && space->boolean();
  TokenizerClass const* const rules = folder.tokenizer_class();
  if (!rules || rules->files == TokenizerClass::Files::none) {
    throw UserError(
        fmt::format("{}: vocab.json and merges.txt are read by the rules of GPT-2 and Qwen2, not by those of '{}'. "
                    "Add the tokenizer.json of this tokenizer; transformers writes it with save_pretrained.",
                    place_of(folder.path()), rules ? std::string(rules->name) : folder.class_name()));
  }
  if (rules->files == TokenizerClass::Files::gpt2) return builder.set_word_steps(byte_level(prefix_space, true));
  builder.set_normalizer({normalization_form("NFC")});
  WordSteps words = byte_level(prefix_space, false);
  words.steps.insert(words.steps.begin(), split(Pattern::expression(qwen2_pattern, "Qwen2's tokenizer"), Cut::isolated, false));
  builder.set_word_steps(std::move(words));
}

}  // namespace

void read_vocabulary_and_merges(TokenizerFolder const& folder, TokenizerBuilder& builder) {
  std::filesystem::path const vocabulary_file = folder.path() / "vocab.json", merges_file = folder.path() / "merges.txt";
  set_steps(folder, builder);
  nlohmann::json const vocabulary = parse_json_file(vocabulary_file);
  builder.add_vocabulary(JsonField(vocabulary, place_of(vocabulary_file)), {}, place_of(vocabulary_file));
  // GPT-2's reader takes the first line for that of the version, whatever it is.
  TokenizerClass const* const rules = folder.tokenizer_class();
  bool const has_head = rules && rules->files == TokenizerClass::Files::gpt2;
  std::size_t number = 0;
  for (std::string& line : split_text(read_file(merges_file), '\n')) {
    std::string const here = fmt::format("{}: line {}", place_of(merges_file), ++number);
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || (number == 1 && (has_head || line.starts_with("#version")))) continue;
    std::vector<std::string> const pair = split_text(line, ' ');
    if (pair.size() != 2) throw UserError(here + " must be two tokens with one space between them.");
    builder.add_merge(pair[0], pair[1], here);
  }
}

}  // namespace onemask::detail
