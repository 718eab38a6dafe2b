#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace onemask {

/// SHA-256, fed piece by piece. Every text is preceded by its length, so {"ab","c"} and {"a","bc"} differ.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher const&) = delete;
  Hasher& operator=(Hasher const&) = delete;

  /// Raw bytes, without a length.
  Hasher& bytes(void const* data, std::size_t size);
  /// A length, then the text.
  Hasher& text(std::string_view value);
  Hasher& number(double value);
  Hasher& integer(long long value);

  /// 64 lower-case hexadecimal digits. The hasher must not be used afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of a byte string, in hexadecimal.
std::string sha256(std::string_view bytes);

/// SHA-256 of a file's content, in hexadecimal. Throws UserError when the file cannot be read.
std::string sha256_file(std::filesystem::path const& file);

}  // namespace onemask
