#include "tokenizer/detail/byte_pairs.hpp"

#include "tokenizer/detail/utf8.hpp"

#include <queue>
#include <tuple>

namespace onemask::detail {
namespace {

constexpr std::int32_t merged_away = -1;

/// A token of a partly merged word, in a list of its neighbours; the number of all stands for none.
struct Symbol {
  std::int32_t id;
  std::size_t previous, next;
};

struct Candidate {
  std::int32_t rank;
  std::size_t left;
  bool operator>(Candidate const& other) const { return std::tie(rank, left) > std::tie(other.rank, other.left); }
};

}  // namespace

bool BytePairs::add_merge(std::int32_t left, std::int32_t right, Merge merge) {
  return merges_.try_emplace(pair_key(left, right), merge).second;
}

Merge const* BytePairs::find(std::int32_t left, std::int32_t right) const {
  auto const found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::vector<std::int32_t> BytePairs::unmerged(std::string_view word) const {
  std::vector<std::int32_t> ids;
  ids.reserve(word.size());
  while (!word.empty()) {
    auto const length = characters.empty() ? 1 : character_length(word);
    auto const whole = characters.find(word.substr(0, length));
    if (whole != characters.end()) {
      ids.push_back(whole->second);
    } else {
      for (char const byte : word.substr(0, length)) ids.push_back(byte_ids[static_cast<unsigned char>(byte)]);
    }
    word.remove_prefix(length);
  }
  return ids;
}

void BytePairs::encode(std::string_view word, std::vector<std::int64_t>& ids) const {
  if (auto const whole = whole_words.find(word); whole != whole_words.end()) {
    ids.push_back(whole->second);
    return;
  }
  auto const start = unmerged(word);
  std::size_t const none = start.size();
  std::vector<Symbol> symbols(none);
  for (std::size_t i = 0; i < none; ++i) symbols[i] = {start[i], i == 0 ? none : i - 1, i + 1};

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  auto const merge_at = [&](std::size_t left) -> Merge const* {
    if (left == none || symbols[left].id == merged_away || symbols[left].next == none) return nullptr;
    return find(symbols[left].id, symbols[symbols[left].next].id);
  };
  auto const consider = [&](std::size_t left) {
    if (Merge const* const merge = merge_at(left)) candidates.push({merge->rank, left});
  };
  for (std::size_t i = 0; i < none; ++i) consider(i);

  while (!candidates.empty()) {
    Candidate const best = candidates.top();
    candidates.pop();
    Merge const* const merge = merge_at(best.left);
    if (!merge || merge->rank != best.rank) continue;  // a neighbour was merged since
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[left.next];
    left.id = merge->id;
    right.id = merged_away;
    left.next = right.next;
    if (left.next != none) symbols[left.next].previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (std::size_t i = 0; i < none; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace onemask::detail
