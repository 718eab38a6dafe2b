#include "eval/generation.hpp"

#include <onemask/data/prompt.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace onemask {
namespace {

/// Letters and digits; every byte of a letter beyond ASCII counts as one.
bool is_of_word(char c) {
  auto const byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < text.size();) {
    auto end = i;
    while (end < text.size() && is_of_word(text[end])) ++end;
    end = std::max(end, i + 1);
    if (std::string_view(" \t\r\n").find(text[i]) == std::string_view::npos) words.push_back(text.substr(i, end - i));
    i = end;
  }
  return words;
}

/// [bits] of the distribution of sequences of n words.
double entropy_of(std::vector<std::string_view> const& words, std::size_t n) {
  std::map<std::vector<std::string_view>, double> counts;
  for (std::size_t i = 0; i + n <= words.size(); ++i)
    ++counts[{words.begin() + static_cast<std::ptrdiff_t>(i), words.begin() + static_cast<std::ptrdiff_t>(i + n)}];
  double const total = words.size() < n ? 0 : static_cast<double>(words.size() - n + 1);
  double bits = 0;
  for (auto const& [sequence, count] : counts) bits -= count / total * std::log2(count / total);
  return bits;
}

}  // namespace

bool states(std::string_view text, std::string_view object) {
  auto const end = std::min(text.find(". "), text.find('\n'));
  for (auto place = text.find(object); place != text.npos && place <= end; place = text.find(object, place + 1)) {
    auto const behind = place + object.size();
    bool const begins = place == 0 || !is_of_word(text[place - 1]), ends = behind == text.size() || !is_of_word(text[behind]);
    if (begins && ends) return true;
  }
  return false;
}

double generation_entropy(std::string_view text) {
  auto const words = words_of(text);
  return (2.0 / 3 * entropy_of(words, 2) + 4.0 / 3 * entropy_of(words, 3)) / 2;
}

FactGenerator::FactGenerator(CausalLM const& model, Tokenizer const& tokenizer, int layer, std::vector<Fact const*> facts,
                             std::vector<std::int64_t> const& edits, EvaluationOptions const& options)
    : tokenizer_(tokenizer), facts_(std::move(facts)), generate_(options.generate), entropy_(options.entropy) {
  std::vector<std::vector<std::int64_t>> rewrites, openings;
  std::vector<std::int64_t> edit_of_opening;
  for (std::size_t f = 0; f < facts_.size(); ++f) {
    auto const& fact = *facts_[f];
    auto const encoded = [&](std::string const& text, std::int64_t tokens) {
      auto ids = encode_prompt(tokenizer, text, options.leading_space);
      require_positions_of_continuation(fact.case_id, text, ids.size(), tokens, model.config().positions);
      return ids;
    };
    if (generate_ > 0) rewrites.push_back(encoded(fact.question(), generate_));
    for (std::size_t i = 0; entropy_ > 0 && i < fact.generation_prompts.size(); ++i) {
      openings.push_back(encoded(fact.generation_prompts[i], entropy_));
      edit_of_opening.push_back(edits[f]);
    }
  }
  if (!rewrites.empty()) rewrites_.emplace(model, layer, rewrites, edits);
  if (!openings.empty()) openings_.emplace(model, layer, openings, edit_of_opening);
}

/// Up to the token that ends a text; a model may have more tokens than the tokenizer.
std::vector<std::string> FactGenerator::texts(std::vector<std::vector<std::int64_t>> const& rows) const {
  std::vector<std::string> texts;
  for (auto row : rows) {
    if (auto const eos = tokenizer_.eos()) row.erase(std::find(row.begin(), row.end(), *eos), row.end());
    std::erase_if(row, [&](auto id) { return id >= tokenizer_.vocabulary_size(); });
    texts.push_back(tokenizer_.decode(row));
  }
  return texts;
}

std::vector<GenerationScores> FactGenerator::scores(ProjectionProduct const& product, CausalLM const& model) const {
  constexpr auto unknown = std::numeric_limits<double>::quiet_NaN();
  std::vector<GenerationScores> scores(facts_.size(), {unknown, unknown, unknown});
  if (rewrites_) {
    auto const written = texts(rewrites_->continued(generate_, product, model));
    for (std::size_t f = 0; f < facts_.size(); ++f) {
      scores[f].gen_true = states(written[f], facts_[f]->target_true);
      scores[f].gen_new = states(written[f], facts_[f]->target_new);
    }
  }
  if (openings_) {
    auto const written = texts(openings_->continued(entropy_, product, model));
    auto next = written.begin();
    for (std::size_t f = 0; f < facts_.size(); ++f) {
      auto const& prompts = facts_[f]->generation_prompts;
      double sum = 0;
      for (auto const& prompt : prompts) sum += generation_entropy(prompt + *next++);
      scores[f].entropy = sum / static_cast<double>(prompts.size());  // NaN where there are none
    }
  }
  return scores;
}

}  // namespace onemask
