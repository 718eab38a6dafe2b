#include <onemask/core/error.hpp>
#include <onemask/data/prompt.hpp>

#include <algorithm>
#include <string>

namespace onemask {

std::optional<std::int64_t> head_token(Tokenizer const& tokenizer) {
  return tokenizer.adds_bos() ? tokenizer.bos() : std::nullopt;
}

std::vector<std::int64_t> encode_prompt(Tokenizer const& tokenizer, std::string_view text, bool leading_space) {
  bool const space = leading_space && !tokenizer.begins_with_space();
  auto ids = tokenizer.encode(space ? " " + std::string(text) : std::string(text));
  if (auto const head = head_token(tokenizer)) ids.insert(ids.begin(), *head);
  return ids;
}

std::int64_t last_token_of(Tokenizer const& tokenizer, std::string_view beginning, std::size_t tokens, bool leading_space) {
  auto const own = encode_prompt(tokenizer, beginning, leading_space).size();
  return static_cast<std::int64_t>(std::min(own, tokens)) - 1;
}

std::vector<std::int64_t> encode_target(Tokenizer const& tokenizer, std::string_view target) {
  auto const first = target.find_first_not_of(' ');
  if (first == std::string_view::npos) {
    throw UserError("A target consists of nothing but spaces; give the text that the model should predict.");
  }
  auto const text = std::string(target.substr(first));
  auto ids = tokenizer.encode(tokenizer.begins_with_space() ? text : " " + text);
  if (ids.empty())
    throw UserError("The target '" + std::string(target) + "' tokenizes to nothing; this tokenizer does not fit the facts.");
  return ids;
}

}  // namespace onemask
