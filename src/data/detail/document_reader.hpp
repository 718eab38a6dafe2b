#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace onemask::detail {

/// Reads the documents of a file one after the other: its lines, or the blocks between its blank lines. Line ends may be \n or
/// \r\n, and a byte order mark may come first: neither is part of a document.
class DocumentReader {
 public:
  struct Document {
    std::string text;       ///< with \n between its lines, none behind the last
    std::uint64_t offset;   ///< of its first byte
    std::size_t line;       ///< of its first byte, from 1
    std::uint64_t dropped;  ///< bytes before it that are no part of any text: of \r\n, and the byte order mark
  };

  /// Begins at byte `offset`, which is the start of line `line`. Throws UserError when the file cannot be read, or does
  /// not begin as text (see expect_text).
  DocumentReader(std::filesystem::path file, bool blocks, std::uint64_t offset, std::size_t line);

  /// The next document, or nothing at the end of the file. Blank lines are never documents.
  std::optional<Document> next();
  /// Bytes dropped so far.
  std::uint64_t dropped() const { return dropped_; }

 private:
  void skip_mark();
  bool read_line();

  std::filesystem::path file_;
  std::ifstream stream_;
  bool blocks_;
  std::uint64_t offset_;  ///< behind line_
  std::size_t number_;    ///< of the line behind line_
  std::uint64_t dropped_ = 0;
  std::string line_;
};

}  // namespace onemask::detail
