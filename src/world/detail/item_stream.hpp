#pragma once

#include <onemask/core/random.hpp>

#include <cstdint>
#include <string_view>

namespace onemask {

/// FNV-1a, 64 bits: a number for a text, the same on every machine.
inline std::uint64_t text_key(std::string_view text) {
  std::uint64_t key = 0xcbf29ce484222325;
  for (char const letter : text) key = (key ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  return key;
}

/// Random numbers of one item: what they are for, whose they are, which.
inline RandomStream item_stream(std::uint64_t seed, std::string_view purpose, std::string_view owner, std::uint64_t number) {
  return RandomStream({seed, text_key("world"), text_key(purpose), text_key(owner), number});
}

}  // namespace onemask
