#include <onemask/core/error.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {

std::int64_t positions_of(std::size_t prompt, std::size_t object) {
  return static_cast<std::int64_t>(prompt) + static_cast<std::int64_t>(object) - 1;
}

void require_positions(std::int64_t needed, std::int64_t positions, std::string_view input, std::string_view remedy) {
  if (needed <= positions) return;
  throw UserError(fmt::format("{} needs {} positions, but the model has {} positions. {}", input, needed, positions, remedy));
}

void require_positions_of_fact(std::int64_t case_id, std::string_view text, std::size_t prompt, std::size_t object,
                               std::int64_t positions) {
  require_positions(positions_of(prompt, object), positions,
                    fmt::format("The record with case_id {} has a prompt, '{}', that together with its object", case_id, text),
                    "Leave the record out.");
}

void require_positions_of_continuation(std::int64_t case_id, std::string_view text, std::size_t prompt, std::int64_t tokens,
                                       std::int64_t positions) {
  require_positions(
      positions_of(prompt, static_cast<std::size_t>(tokens)), positions,
      fmt::format("The record with case_id {} has a prompt, '{}', that together with {} tokens behind it", case_id, text, tokens),
      "Let fewer tokens be written, or leave the record out.");
}

std::int64_t usual_segment(ModelConfig const& config) {
  return std::min<std::int64_t>(1024, config.positions);
}

}  // namespace onemask
