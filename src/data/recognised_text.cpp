#include "data/recognised_text.hpp"

#include <onemask/tokenizer/composed.hpp>

#include <string_view>

namespace onemask {

std::string recognised(std::string const& text) {
  constexpr std::string_view white_space = " \t\r\n";
  std::string result;
  bool pending = false;
  for (char const character : composed(text)) {
    bool const is_space = white_space.find(character) != std::string_view::npos;
    if (!is_space && pending && !result.empty()) result += ' ';
    pending = is_space;
    if (!is_space) result += character;
  }
  return result;
}

}  // namespace onemask
