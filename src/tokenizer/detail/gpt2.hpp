#pragma once

namespace onemask::detail {

/// What GPT-2's tokenizer cuts a text into words with (Radford et al. 2019).
inline constexpr char const* gpt2_pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr char const* gpt2_end_of_text = "<|endoftext|>";

}  // namespace onemask::detail
