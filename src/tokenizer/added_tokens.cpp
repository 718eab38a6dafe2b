#include "tokenizer/detail/added_tokens.hpp"

#include "tokenizer/detail/characters.hpp"

#include <algorithm>
#include <utility>

namespace onemask::detail {
namespace {

bool stands_alone(std::string_view before, std::string_view behind) {
  return (before.empty() || !is_word_character(last_character(before))) &&
         (behind.empty() || !is_word_character(first_character(behind)));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) {
  std::stable_sort(tokens.begin(), tokens.end(), [](auto const& a, auto const& b) { return a.text.size() > b.text.size(); });
  for (AddedToken& token : tokens) by_first_byte_[static_cast<unsigned char>(token.text.front())].push_back(std::move(token));
}

AddedToken const* AddedTokens::token_at(std::string_view text) const {
  for (AddedToken const& token : by_first_byte_[static_cast<unsigned char>(text.front())]) {
    if (text.starts_with(token.text)) return &token;
  }
  return nullptr;
}

std::vector<AddedTokens::Part> AddedTokens::parts(std::string_view text) const {
  std::vector<Part> parts;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    AddedToken const* const token = token_at(text.substr(at));
    if (!token) {
      ++at;
      continue;
    }
    std::string_view const before = text.substr(0, at), behind = text.substr(at + token->text.size());
    std::size_t begin = at, end = at += token->text.size();
    if (token->single_word && !stands_alone(before, behind)) continue;
    if (token->takes_space_before) begin = std::max(begin - white_space_at_end(before), done);
    if (token->takes_space_behind) end += white_space_at_start(behind);
    if (done < begin) parts.push_back({done, begin, std::nullopt});
    parts.push_back({begin, end, token->id});
    done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), std::nullopt});
  return parts;
}

}  // namespace onemask::detail
