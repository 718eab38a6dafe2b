#pragma once

#include <string>
#include <vector>

namespace onemask {

/// Lines whose columns are aligned: the first to the left, the others to the right. A row of a single cell stands on its own and
/// widens no column.
class TextTable {
 public:
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  std::vector<std::vector<std::string>> const& rows() const { return rows_; }

  /// How many of the first rows say what the columns are; 1 unless set.
  void set_heading(std::size_t rows) { heading_ = rows; }
  std::size_t heading() const { return heading_; }

  /// Every line ends in '\n'.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::size_t heading_ = 1;
};

/// Of sentences.
inline constexpr std::size_t line_width = 128;

/// The words of a text in lines of at most `width` characters, unless a word is longer; every line ends in '\n'.
std::string wrapped(std::string const& text, std::size_t width);

/// Number of characters of a UTF-8 text.
std::size_t characters(std::string const& text);

}  // namespace onemask
