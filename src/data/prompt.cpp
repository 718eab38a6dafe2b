#include <onemask/core/error.hpp>
#include <onemask/data/prompt.hpp>

#include <string>

namespace onemask {

std::vector<std::int64_t> encode_prompt(Tokenizer const& tokenizer, std::string_view text, bool leading_space) {
  bool const space = leading_space && !tokenizer.begins_with_space();
  auto ids = tokenizer.encode(space ? " " + std::string(text) : std::string(text));
  if (tokenizer.adds_bos() && tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
  return ids;
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
