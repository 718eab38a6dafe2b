#include "report/markup.hpp"

#include <string_view>

#include <nlohmann/json.hpp>

namespace onemask {

std::string valid_text(std::string const& text) {
  using Json = nlohmann::json;
  auto result = Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
  for (char& letter : result) {
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F) letter = ' ';
  }
  for (std::string_view const never : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"}) {  // U+FFFE, U+FFFF
    for (auto place = result.find(never); place != std::string::npos; place = result.find(never))
      result.replace(place, 3, "\xEF\xBF\xBD");
  }
  return result;
}

std::string escaped_markup(std::string const& text) {
  std::string result;
  for (char const letter : valid_text(text)) {
    switch (letter) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += letter;
    }
  }
  return result;
}

}  // namespace onemask
