#include "tokenizer/detail/byte_pairs.hpp"
#include "tokenizer/detail/gpt2.hpp"
#include "tokenizer/detail/pattern.hpp"
#include "tokenizer/detail/tokenizer_tables.hpp"
#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>
#include <onemask/tokenizer/train_tokenizer.hpp>

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using Pair = TrainedTokenizer::Merge;
using WordCounts = std::unordered_map<std::string_view, std::int64_t>;  // views of the texts

constexpr std::int64_t smallest_vocabulary = 256 + 1;

WordCounts count_words(std::span<std::string const> texts) {
  auto const pattern = detail::Pattern::expression(detail::gpt2_pattern, "GPT-2's tokenizer");
  WordCounts counts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (auto const offset = detail::first_invalid_utf8(texts[i])) {
      throw UserError(fmt::format(
          "Text {} to train a tokenizer on is not valid UTF-8 at byte {}. Convert the file it comes from to UTF-8.", i, *offset));
    }
    std::string_view const text = texts[i];
    for (auto const& [begin, end, matches] : pattern.find(text)) ++counts[text.substr(begin, end - begin)];
  }
  return counts;
}

/// Learns merges one by one. Every pair knows how often it occurs and in which words; a merge visits these words alone.
class PairLearner {
 public:
  explicit PairLearner(WordCounts const& counts) {
    auto& tokens = trained_.tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    std::sort(tokens.begin(), tokens.end(),
              [](auto const& a, auto const& b) { return detail::token_of_bytes(a) < detail::token_of_bytes(b); });
    std::array<std::int32_t, 256> ids{};
    for (std::int32_t id = 0; id < 256; ++id) ids[static_cast<unsigned char>(tokens[static_cast<std::size_t>(id)][0])] = id;

    std::vector<Pair> pairs;
    words_.reserve(counts.size());
    for (auto const& [text, count] : counts) {
      Word& word = words_.emplace_back(Word{{}, count});
      for (char const byte : text) word.tokens.push_back(ids[static_cast<unsigned char>(byte)]);
      for (std::size_t i = 1; i < word.tokens.size(); ++i) {
        Pair const pair{word.tokens[i - 1], word.tokens[i]};
        if (add(pair, words_.size() - 1)) pairs.push_back(pair);
      }
    }
    queue(pairs);
  }
  PairLearner(PairLearner const&) = delete;
  PairLearner& operator=(PairLearner const&) = delete;

  /// False, and nothing changes, when there is no pair.
  bool merge_next() {
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), ComesLater{trained_.tokens});
      auto const [pair, count] = queue_.back();
      queue_.pop_back();
      // A pair's count falls while others are merged and never rises, so that the queue's may be too high but not too low.
      std::int64_t const now = occurrences_of(pair).count;
      if (now == count) {
        merge(pair);
        return true;
      }
      queue({pair});
    }
    return false;
  }

  TrainedTokenizer const& trained() const { return trained_; }

 private:
  struct Word {
    std::vector<std::int32_t> tokens;
    std::int64_t count;
  };
  struct Occurrences {
    std::int64_t count = 0;
    std::vector<std::size_t> words;  // all that have the pair, and some that no longer do
  };
  struct Candidate {
    Pair pair;
    std::int64_t count;
  };
  /// Orders the heap: its front is the most frequent pair, and the smallest of these.
  struct ComesLater {
    std::vector<std::string> const& tokens;
    bool operator()(Candidate const& a, Candidate const& b) const {
      auto const text = [&](std::int32_t id) -> std::string const& { return tokens[static_cast<std::size_t>(id)]; };
      if (a.count != b.count) return a.count < b.count;
      return std::tie(text(a.pair.left), text(a.pair.right)) > std::tie(text(b.pair.left), text(b.pair.right));
    }
  };

  Occurrences& occurrences_of(Pair pair) { return pairs_.at(detail::pair_key(pair.left, pair.right)); }

  /// One more occurrence in a word; true when it is the first of all.
  bool add(Pair pair, std::size_t word) {
    auto const [place, is_new] = pairs_.try_emplace(detail::pair_key(pair.left, pair.right));
    Occurrences& occurrences = place->second;
    occurrences.count += words_[word].count;
    if (occurrences.words.empty() || occurrences.words.back() != word) occurrences.words.push_back(word);
    return is_new;
  }

  void queue(std::vector<Pair> const& pairs) {
    for (Pair const pair : pairs) {
      std::int64_t const count = occurrences_of(pair).count;
      if (count == 0) continue;
      queue_.push_back({pair, count});
      std::push_heap(queue_.begin(), queue_.end(), ComesLater{trained_.tokens});
    }
  }

  void merge(Pair pair) {
    auto const id = static_cast<std::int32_t>(trained_.tokens.size());
    auto const text = [&](std::int32_t token) { return trained_.tokens[static_cast<std::size_t>(token)]; };
    trained_.tokens.push_back(text(pair.left) + text(pair.right));
    trained_.merges.push_back(pair);

    std::vector<Pair> created;
    auto const replace = [&](Pair before, Pair after, std::size_t word) {
      occurrences_of(before).count -= words_[word].count;
      if (add(after, word)) created.push_back(after);
    };
    std::vector<std::size_t> const touched = std::move(occurrences_of(pair).words);
    for (std::size_t const word : touched) {
      auto& tokens = words_[word].tokens;
      std::size_t end = 0;  // of what is merged already, in place
      for (std::size_t i = 0; i < tokens.size();) {
        bool const here = i + 1 < tokens.size() && tokens[i] == pair.left && tokens[i + 1] == pair.right;
        if (here && end > 0) replace({tokens[end - 1], pair.left}, {tokens[end - 1], id}, word);
        if (here && i + 2 < tokens.size()) replace({pair.right, tokens[i + 2]}, {id, tokens[i + 2]}, word);
        tokens[end++] = here ? id : tokens[i];
        i += here ? 2 : 1;
      }
      tokens.resize(end);
    }
    pairs_.erase(detail::pair_key(pair.left, pair.right));
    queue(created);
  }

  TrainedTokenizer trained_;
  std::vector<Word> words_;
  std::unordered_map<std::uint64_t, Occurrences> pairs_;
  std::vector<Candidate> queue_;  // a heap
};

}  // namespace

TrainedTokenizer train_byte_pairs(std::span<std::string const> texts, std::int64_t vocabulary_size) {
  if (vocabulary_size < smallest_vocabulary || vocabulary_size > detail::largest_vocabulary) {
    throw UserError(
        fmt::format("A vocabulary of {} tokens cannot be trained: its size must be from {} (all bytes and '{}') to {}.",
                    vocabulary_size, smallest_vocabulary, detail::gpt2_end_of_text, detail::largest_vocabulary));
  }
  PairLearner learner(count_words(texts));
  for (std::int64_t size = smallest_vocabulary; size < vocabulary_size; ++size) {
    if (!learner.merge_next()) {
      throw UserError(
          fmt::format("The texts give a vocabulary of {} tokens, not of {}: at that size every word is one token. "
                      "Ask for a smaller vocabulary, or give more texts.",
                      size, vocabulary_size));
    }
  }
  TrainedTokenizer trained = learner.trained();
  trained.tokens.emplace_back(detail::gpt2_end_of_text);
  return trained;
}

}  // namespace onemask
