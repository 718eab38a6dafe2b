#include "eval/top_tokens.hpp"

#include <onemask/core/text.hpp>

#include <algorithm>
#include <set>

namespace onemask {
namespace {

bool is_ascii(std::string const& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

at::Tensor TopTokens::likeliest(at::Tensor const& log_probabilities) {
  return std::get<1>(log_probabilities.topk(std::min<std::int64_t>(100, log_probabilities.size(1))));
}

double TopTokens::overlap(TopTokens const& other, std::int64_t prompt, std::int64_t k) const {
  auto const first = [&](TopTokens const& top) {
    std::set<std::int64_t> ids;
    for (std::int64_t place = 0; place < std::min(k, top.count()); ++place) ids.insert(top.token(prompt, place));
    return ids;
  };
  auto const mine = first(*this), theirs = first(other);
  return static_cast<double>(std::count_if(mine.begin(), mine.end(), [&](auto id) { return theirs.contains(id); })) /
         static_cast<double>(mine.size());
}

std::vector<std::string> TopTokens::texts(Tokenizer const& tokenizer, std::int64_t prompt) const {
  std::vector<std::string> result;
  for (std::int64_t place = 0; place < count(); ++place) {
    auto const id = token(prompt, place);  // models may have more rows than the tokenizer has tokens
    result.push_back(id < tokenizer.vocabulary_size() ? trimmed(tokenizer.token_text(id)) : "");
  }
  return result;
}

double text_overlap(std::vector<std::string> const& a, std::vector<std::string> const& b, std::int64_t k) {
  auto const first = [k](std::vector<std::string> const& texts) {
    return std::set<std::string>(texts.begin(), texts.begin() + std::min<std::ptrdiff_t>(k, std::ssize(texts)));
  };
  auto const mine = first(a), theirs = first(b);
  return static_cast<double>(std::count_if(mine.begin(), mine.end(), [&](auto const& text) { return theirs.contains(text); })) /
         static_cast<double>(k);
}

std::int64_t text_rank(std::vector<std::string> const& texts, std::string const& text) {
  // The published code compares with the vocabulary's byte letters, in which no text beyond ASCII is found.
  if (!is_ascii(text)) return -1;
  auto const found = std::find(texts.begin(), texts.end(), text);
  return found == texts.end() ? -1 : found - texts.begin() + 1;
}

}  // namespace onemask
