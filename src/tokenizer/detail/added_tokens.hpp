#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onemask::detail {

/// A text that is one token wherever it occurs, such as "<|endoftext|>". `text` is not empty.
struct AddedToken {
  std::string text;
  std::int32_t id;
};

/// Finds added tokens in a text.
class AddedTokens {
 public:
  struct Occurrence {
    std::size_t begin, end;
    std::int32_t id;
  };

  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// The leftmost occurrence; of those that begin at one place the longest.
  std::optional<Occurrence> find(std::string_view text) const;

 private:
  std::array<std::vector<AddedToken>, 256> by_first_byte_;  // longest first
};

}  // namespace onemask::detail
