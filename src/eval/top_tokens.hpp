#pragma once

#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// The 100 likeliest tokens of each prompt (all, where the vocabulary is smaller), likeliest first.
class TopTokens {
 public:
  /// `ids` [prompts, count] int64 on the CPU, as `likeliest` gives them.
  explicit TopTokens(at::Tensor const& ids) : ids_(ids.contiguous()) {}

  /// Of log-probabilities [prompts, vocabulary]; where they lie.
  static at::Tensor likeliest(at::Tensor const& log_probabilities);

  std::int64_t count() const { return ids_.size(1); }
  std::int64_t token(std::int64_t prompt, std::int64_t place) const {
    return ids_.data_ptr<std::int64_t>()[prompt * count() + place];
  }

  /// Share of the first k tokens that are among the first k of `other`, by token.
  double overlap(TopTokens const& other, std::int64_t prompt, std::int64_t k) const;

  // The published code's comparison by text.

  /// Texts of the tokens, without spaces around them.
  std::vector<std::string> texts(Tokenizer const& tokenizer, std::int64_t prompt) const;

 private:
  at::Tensor ids_;  ///< [prompts, count] int64 on the CPU
};

/// Size of the intersection of the sets of the first k texts, over k.
double text_overlap(std::vector<std::string> const& a, std::vector<std::string> const& b, std::int64_t k);
/// Place of `text` among the texts, from 1; -1 where it is not there, or not ASCII.
std::int64_t text_rank(std::vector<std::string> const& texts, std::string const& text);

}  // namespace onemask
