#pragma once

#include <onemask/checkpoint/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace onemask {

/// Positions that a prompt takes with the object behind it, both in tokens. The object's last token is predicted but never read.
std::int64_t positions_of(std::size_t prompt, std::size_t object);

/// Throws UserError when an input needs more positions than the model has:
/// "`input` needs 65 positions, but the model has 64 positions. `remedy`"
void require_positions(std::int64_t needed, std::int64_t positions, std::string_view input, std::string_view remedy);

/// The same of a fact's prompt and the longer of its objects, in tokens; the sentence names both record and prompt.
void require_positions_of_fact(std::int64_t case_id, std::string_view text, std::size_t prompt, std::size_t object,
                               std::int64_t positions);

/// The same of a prompt of a fact that a model writes so many tokens behind.
void require_positions_of_continuation(std::int64_t case_id, std::string_view text, std::size_t prompt, std::int64_t tokens,
                                       std::int64_t positions);

/// Longest piece of a text that is run at once unless another is asked for [tokens]: the model's positions, at most 1024.
std::int64_t usual_segment(ModelConfig const& config);

}  // namespace onemask
