#pragma once

#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace onemask {

/// The token that a model expects before every text, BOS; nothing where it expects none.
std::optional<std::int64_t> head_token(Tokenizer const& tokenizer);

/// Token ids of a text that begins a sequence: BOS first where the tokenizer adds one. `leading_space` puts one space in front,
/// as the published code does for GPT-2 when it trains and evaluates masks (but not when it edits); tokenizers that begin with
/// one anyway get no second.
std::vector<std::int64_t> encode_prompt(Tokenizer const& tokenizer, std::string_view text, bool leading_space = false);

/// Place of the last token of `beginning` in a prompt of `tokens` tokens that begins with this text: as many as it has by itself.
std::int64_t last_token_of(Tokenizer const& tokenizer, std::string_view beginning, std::size_t tokens,
                           bool leading_space = false);

/// Token ids of a target as it continues a prompt, behind one space. Throws UserError when it tokenizes to nothing.
std::vector<std::int64_t> encode_target(Tokenizer const& tokenizer, std::string_view target);

}  // namespace onemask
