#include "tokenizer/detail/added_tokens.hpp"

#include <algorithm>
#include <utility>

namespace onemask::detail {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) {
  std::sort(tokens.begin(), tokens.end(), [](auto const& a, auto const& b) { return a.text.size() > b.text.size(); });
  for (AddedToken& token : tokens) by_first_byte_[static_cast<unsigned char>(token.text.front())].push_back(std::move(token));
}

std::optional<AddedTokens::Occurrence> AddedTokens::find(std::string_view text) const {
  for (std::size_t begin = 0; begin < text.size(); ++begin) {
    for (AddedToken const& token : by_first_byte_[static_cast<unsigned char>(text[begin])]) {
      if (text.substr(begin).starts_with(token.text)) return Occurrence{begin, begin + token.text.size(), token.id};
    }
  }
  return std::nullopt;
}

}  // namespace onemask::detail
