#include "tokenizer/detail/byte_pairs.hpp"

#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <queue>
#include <tuple>
#include <utility>

#include <fmt/core.h>

namespace onemask::detail {
namespace {

constexpr std::int32_t no_token = -1, merged_away = -1;

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

BytePairs::BytePairs(TextMap<std::int32_t> vocabulary, Rules rules, std::string place)
    : vocabulary_(std::move(vocabulary)), rules_(std::move(rules)), place_(std::move(place)) {
  byte_ids_.fill(no_token);
  if (!rules_.byte_fallback) return;
  for (auto const& [token, id] : vocabulary_) {
    if (auto const byte = byte_of_token(token)) byte_ids_[*byte] = id;
  }
}

Merge const* BytePairs::find(std::int32_t left, std::int32_t right) const {
  auto const found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::optional<std::int32_t> BytePairs::id_of(std::string_view token) const {
  auto const found = vocabulary_.find(token);
  return found == vocabulary_.end() ? std::nullopt : std::optional(found->second);
}

bool BytePairs::append_bytes(std::string_view character, std::vector<std::int32_t>& ids) const {
  std::size_t const size = ids.size();
  for (char const byte : character) ids.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
  bool const all = std::find(ids.begin() + static_cast<std::ptrdiff_t>(size), ids.end(), no_token) == ids.end();
  if (!all) ids.resize(size);
  return all;
}

std::int32_t BytePairs::unknown_id(std::string_view character) const {
  if (auto const id = id_of(*rules_.unknown)) return *id;
  throw UserError(
      fmt::format("{}: the character '{}' is not in the vocabulary, and neither is the token '{}' that 'unk_token' "
                  "names for it. Take the character out of the text, or use another tokenizer.",
                  place_, character, *rules_.unknown));
}

std::vector<std::int32_t> BytePairs::unmerged(std::string_view word) const {
  std::vector<std::int32_t> ids;
  ids.reserve(word.size());
  // An unknown token is written when a known one follows; bytes do not count as such, and so come before it.
  std::optional<std::int32_t> unknown;
  for (std::size_t length = 0; !word.empty(); word.remove_prefix(length)) {
    length = character_length(word);
    std::string_view const character = word.substr(0, length);
    if (auto const id = id_of(character)) {
      if (unknown) ids.push_back(*std::exchange(unknown, std::nullopt));
      ids.push_back(*id);
    } else if (!(rules_.byte_fallback && append_bytes(character, ids)) && rules_.unknown) {
      if (unknown && !rules_.fuse_unknown) ids.push_back(*unknown);
      unknown = unknown_id(character);
    }
  }
  if (unknown) ids.push_back(*unknown);
  return ids;
}

void BytePairs::encode(std::string_view word, std::vector<std::int64_t>& ids) const {
  if (rules_.whole_words) {
    if (auto const id = id_of(word)) {
      ids.push_back(*id);
      return;
    }
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
