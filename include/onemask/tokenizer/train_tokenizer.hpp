#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace onemask {

/// A byte-level tokenizer like GPT-2's, learnt from texts.
struct TrainedTokenizer {
  /// Two neighbouring tokens, by id, that become one.
  struct Merge {
    std::int32_t left, right;
    bool operator==(Merge const&) const = default;
  };

  std::vector<std::string>
      tokens;                 ///< bytes by id: the 256 single bytes in GPT-2's order, then one a merge, "<|endoftext|>" last
  std::vector<Merge> merges;  ///< in the order they were learnt; merge i makes token 256 + i
};

/// Learns byte pairs (Sennrich et al. 2016, algorithm 1, on bytes as Radford et al. 2019, section 2.2) until there are
/// `vocabulary_size` tokens, "<|endoftext|>" included. Texts are cut into words by GPT-2's expression; a merge joins the two
/// tokens that are neighbours within words most often. Of pairs that are equally frequent the one with the smaller left token is
/// taken, then with the smaller right one, compared byte by byte; so the result depends on the counts alone, not on the texts'
/// order.
/// "<|endoftext|>" in a text is counted like any other.
///
/// Throws UserError for a size below 257 or above 2^20, for a text that is not UTF-8, naming text and byte, and, with the size
/// that was reached, when every word of the texts is one token already.
TrainedTokenizer train_byte_pairs(std::span<std::string const> texts, std::int64_t vocabulary_size);

/// Writes Hugging Face's files of a GPT2TokenizerFast into `folder`, which is made where it is missing: tokenizer.json,
/// tokenizer_config.json, special_tokens_map.json, and vocab.json with merges.txt, which say the same. "<|endoftext|>" is the
/// token for beginning and end. `model_max_length` is the most tokens the model takes. Equal input gives equal bytes. Throws
/// RunError when a file cannot be written.
void write_tokenizer(TrainedTokenizer const& tokenizer, std::filesystem::path const& folder, std::int64_t model_max_length);

}  // namespace onemask
