#include "checkpoint/json.hpp"

#include <onemask/core/error.hpp>

#include <set>
#include <vector>

#include <fmt/core.h>

namespace onemask::detail {

nlohmann::json parse_json_object(std::string_view text, std::string const& where) {
  using Event = nlohmann::json::parse_event_t;
  constexpr int deepest = 32;
  std::vector<std::set<std::string>> open_objects;
  auto watch = [&](int depth, Event event, nlohmann::json& parsed) {
    if (depth > deepest)
      throw UserError(
          fmt::format("{}: the JSON is nested deeper than {} levels; this is not a file of this kind.", where, deepest));
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key && !open_objects.back().insert(parsed.get<std::string>()).second)
      throw UserError(where + ": the JSON names '" + parsed.get<std::string>() + "' twice in one object; remove one of them.");
    return true;
  };
  try {
    auto json = nlohmann::json::parse(text, watch);
    if (!json.is_object()) throw UserError(where + ": the JSON is not an object ({...}); this is not a file of this kind.");
    return json;
  } catch (nlohmann::json::exception const& error) {
    throw UserError(where + ": this is not valid JSON (" + error.what() + "); the file may be damaged, fetch it again.");
  }
}

std::string excerpt(nlohmann::json const& value) {
  constexpr std::size_t longest = 60;
  std::string text = value.dump(-1, ' ', true);
  return text.size() <= longest ? text : text.substr(0, longest) + "...";
}

}  // namespace onemask::detail
