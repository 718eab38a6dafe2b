#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace onemask::detail {

/// Reads the documents of a file one after the other: its lines, or the blocks between its blank lines.
class DocumentReader {
 public:
  struct Document {
    std::string text;      ///< as in the file, without the last line break
    std::uint64_t offset;  ///< of its first byte
    std::size_t line;      ///< of its first byte, from 1
  };

  /// Begins at byte `offset`, which is the start of line `line`. Throws UserError when the file cannot be read.
  DocumentReader(std::filesystem::path file, bool blocks, std::uint64_t offset, std::size_t line);

  /// The next document, or nothing at the end of the file. Blank lines are never documents.
  std::optional<Document> next();

 private:
  bool read_line();

  std::filesystem::path file_;
  std::ifstream stream_;
  bool blocks_;
  std::uint64_t offset_;  ///< behind line_
  std::size_t number_;    ///< of the line behind line_
  std::string line_;
};

}  // namespace onemask::detail
