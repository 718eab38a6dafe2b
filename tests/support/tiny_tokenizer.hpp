#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

namespace onemask::test {

/// How a vocabulary writes a byte: as itself where it is a printable Latin-1 character, else as the next one from U+0100.
inline std::string written(unsigned byte) {
  auto const printable = [](unsigned b) { return (b > 32 && b < 127) || (b > 160 && b < 256 && b != 173); };
  unsigned code = byte;
  if (!printable(byte)) {
    code = 256;
    for (unsigned b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  if (code < 128) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
}

/// A tokenizer.json in which byte b is token b, followed by one token, 256 and up, for the result of each merge ("a b").
inline nlohmann::json tiny_tokenizer(std::vector<std::string> const& merges = {}) {
  nlohmann::json vocabulary = nlohmann::json::object();
  for (unsigned byte = 0; byte < 256; ++byte) vocabulary[written(byte)] = byte;
  for (std::string const& merge : merges) {
    std::size_t const space = merge.find(' ');
    vocabulary[merge.substr(0, space) + merge.substr(space + 1)] = vocabulary.size();
  }
  return {{"added_tokens", nlohmann::json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"post_processor", nullptr},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
}

/// An entry of "added_tokens".
inline nlohmann::json added_token(std::string const& content, int id, bool normalized = false) {
  return {{"id", id}, {"content", content}, {"normalized", normalized}, {"special", true}};
}

inline void write_text(std::filesystem::path const& file, std::string const& content) {
  std::ofstream(file, std::ios::binary) << content;
}

}  // namespace onemask::test
