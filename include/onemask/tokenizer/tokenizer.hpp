#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace onemask {

namespace detail {
struct TokenizerTables;
}

/// What an added token such as "<|endoftext|>" means where it occurs in a text.
enum class SpecialTokens {
  recognised,  ///< its id, as in Hugging Face's tokenizers
  plain_text,  ///< the characters it is written with
};

/// Byte-pair encoding, on bytes (Radford et al. 2019, section 2.2) as GPT-2, GPT-J, Llama-3 and Qwen2 use it, or on characters
/// with bytes for those that have no token (SentencePiece; Kudo & Richardson 2018) as Llama-2 and Mistral do. Ids equal those of
/// Hugging Face's tokenizers. decode(encode(text)) == text, save that Qwen2's tokenizer brings the text into Unicode's form C,
/// and that those on characters give a space for U+2581 and behind added tokens, and may drop one space at the text's beginning.
/// Immutable: copies share their tables, and threads may share a copy.
class Tokenizer {
 public:
  /// Reads tokenizer.json or, where there is none, vocab.json and merges.txt by GPT-2's rules; tokenizer_config.json,
  /// special_tokens_map.json and config.json where present. A "truncation" or "padding" rule of the file is not applied. Throws
  /// UserError naming file and place when a file is damaged or asks for something other than these encodings.
  static Tokenizer open(std::filesystem::path const& folder);

  /// Ids of a text, without a token for its beginning or end. Throws UserError, with the byte offset, when it is not UTF-8.
  std::vector<std::int64_t> encode(std::string_view text, SpecialTokens special = SpecialTokens::recognised) const;

  /// The bytes of all tokens in a row, without the space that the tokenizer puts before a text; not valid UTF-8 where `ids` cuts
  /// a character. Throws UserError for an id that is no token.
  std::string decode(std::span<std::int64_t const> ids) const;

  /// The bytes of one token. Throws UserError for an id that is no token.
  std::string token_text(std::int64_t id) const;

  /// One more than the largest id.
  std::int64_t vocabulary_size() const;
  /// Throws UserError unless a model that knows `vocabulary` tokens knows all ids.
  void require_within(std::int64_t vocabulary) const;

  /// The tokens for the beginning and the end of a text, where the files name them.
  std::optional<std::int64_t> bos() const;
  std::optional<std::int64_t> eos() const;

  /// Whether `encode` puts a space before a text, so that it gives the ids the text has behind others, as those of Llama-2 and
  /// Mistral do.
  bool begins_with_space() const;

  /// Whether the model expects bos() before a text: add_bos_token in tokenizer_config.json, or a template in tokenizer.json.
  bool adds_bos() const;

  /// SHA-256 of all that decides what `encode` returns; equal for the two formats of one tokenizer.
  std::string fingerprint() const;

 private:
  explicit Tokenizer(std::shared_ptr<detail::TokenizerTables const> tables);

  std::shared_ptr<detail::TokenizerTables const> tables_;
};

}  // namespace onemask
