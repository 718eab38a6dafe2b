#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
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

/// Byte-pair encoding (Sennrich et al. 2016), on bytes (Radford et al. 2019, section 2.2) or on characters with bytes for those
/// that have no token (SentencePiece; Kudo & Richardson 2018). Ids equal those of Hugging Face's tokenizers. Supported are
/// - the normalizers NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace and Sequence;
/// - the pre-tokenizers ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, Metaspace and Sequence, or none;
/// - unknown tokens, byte fallback, ignore_merges, and vocabularies that lack characters or bytes. A character that has neither a
///   token nor bytes nor a token for unknown ones is left out of the ids, as Hugging Face's tokenizers do it;
/// - added tokens with lstrip, rstrip, single_word and normalized.
/// decode(encode(text)) == text where nothing normalizes the text or leaves parts of it out, save that U+2581 becomes a space and
/// that one space at the text's beginning may be dropped. Immutable: copies share their tables, and threads may share a copy.
class Tokenizer {
 public:
  /// Reads tokenizer.json or, where there is none, vocab.json and merges.txt by the rules of GPT-2 or Qwen2; what
  /// tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json say besides, by transformers' rules. A
  /// "truncation" or "padding" rule of the file is not applied. Throws UserError naming file and place when a file is damaged or
  /// asks for something else that would change the ids of every text.
  static Tokenizer open(std::filesystem::path const& folder);

  /// Ids of a text, without a token for its beginning or end. Throws UserError, with the byte offset, when it is not UTF-8, and
  /// for a character that would become a token for unknown ones that the vocabulary lacks.
  std::vector<std::int64_t> encode(std::string_view text, SpecialTokens special = SpecialTokens::recognised) const;

  /// The bytes of all tokens in a row, without the space that the tokenizer puts before a text; not valid UTF-8 where `ids` cuts
  /// a character. Throws UserError for an id that is no token.
  std::string decode(std::span<std::int64_t const> ids) const;

  /// The bytes of one token. Throws UserError for an id that is no token.
  std::string token_text(std::int64_t id) const;

  /// One more than the largest id.
  std::int64_t vocabulary_size() const;
  /// The same for a model that knows `vocabulary` tokens. Added tokens may lie beyond, such as that of images in a Gemma 3 that
  /// reads only text: `encode` throws UserError for a text that has one. Throws UserError where another token lies beyond.
  Tokenizer within(std::int64_t vocabulary) const;

  /// The tokens for the beginning and the end of a text, where the files name them.
  std::optional<std::int64_t> bos() const;
  std::optional<std::int64_t> eos() const;

  /// Whether `encode` puts a space before a text, so that it gives the ids the text has behind others, as those of Llama-2 and
  /// Mistral do.
  bool begins_with_space() const;

  /// Whether the model expects bos() before a text. The class that tokenizer_config.json names decides what says it:
  /// add_bos_token (Llama, Gemma, GPT-NeoX) or the template of tokenizer.json (all others). Throws UserError when the files put
  /// something else around a text, such as a token behind it.
  bool adds_bos() const;

  /// SHA-256 of all that decides what `encode` returns and what stands before a text; equal for the two formats of one tokenizer.
  std::string fingerprint() const;

 private:
  explicit Tokenizer(std::shared_ptr<detail::TokenizerTables const> tables);

  std::shared_ptr<detail::TokenizerTables const> tables_;
  std::int64_t known_ = std::numeric_limits<std::int64_t>::max();  ///< ids from here on are of no use to the model
};

}  // namespace onemask
