#include <onemask/core/json_line.hpp>

#include <nlohmann/json.hpp>

namespace onemask {

std::string json_line(nlohmann::ordered_json const& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace onemask
