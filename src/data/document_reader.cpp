#include "data/detail/document_reader.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/text_file.hpp>

#include <array>
#include <string_view>

namespace onemask::detail {
namespace {

/// A block ends with the line in which it reaches this, lest a file without blank lines be one document.
constexpr std::size_t longest_block = 64 * 1024;

bool is_blank(std::string const& line) {
  return line.find_first_not_of(" \t\r\v\f") == std::string::npos;
}

}  // namespace

DocumentReader::DocumentReader(std::filesystem::path file, bool blocks, std::uint64_t offset, std::size_t line)
    : file_(std::move(file)), stream_(file_, std::ios::binary), blocks_(blocks), offset_(offset), number_(line) {
  if (offset == 0) skip_mark();
  stream_.seekg(static_cast<std::streamoff>(offset_));
  if (!stream_) throw UserError("Cannot read '" + file_.string() + "'. Check the path and its permissions.");
}

void DocumentReader::skip_mark() {
  std::array<char, 64> beginning{};
  stream_.read(beginning.data(), beginning.size());
  std::string_view const read(beginning.data(), static_cast<std::size_t>(stream_.gcount()));
  stream_.clear();
  expect_text(read, file_);
  if (read.starts_with(byte_order_mark)) offset_ = dropped_ = byte_order_mark.size();
}

bool DocumentReader::read_line() {
  if (!std::getline(stream_, line_)) {
    if (stream_.bad()) throw UserError("Cannot read '" + file_.string() + "' to its end. Check the disk.");
    return false;
  }
  offset_ += line_.size() + (stream_.eof() ? 0 : 1);
  ++number_;
  if (line_.ends_with('\r')) {
    line_.pop_back();
    ++dropped_;
  }
  return true;
}

std::optional<DocumentReader::Document> DocumentReader::next() {
  auto start = offset_, dropped = dropped_;
  do {
    start = offset_;
    dropped = dropped_;
    if (!read_line()) return std::nullopt;
  } while (is_blank(line_));
  Document document{line_, start, number_ - 1, dropped};
  if (!blocks_) return document;
  while (document.text.size() < longest_block && read_line() && !is_blank(line_)) document.text += "\n" + line_;
  return document;
}

}  // namespace onemask::detail
