#include <onemask/core/text.hpp>
#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <utility>

namespace onemask {

std::size_t characters(std::string const& text) {
  // Bytes 10xxxxxx continue a character.
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

std::string wrapped(std::string const& text, std::size_t width) {
  std::string lines, line;
  for (auto const& word : split_text(text, ' ')) {
    if (!line.empty() && characters(line) + 1 + characters(word) > width) lines += std::exchange(line, "") + '\n';
    line += (line.empty() ? "" : " ") + word;
  }
  return lines + line + '\n';
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths;
  for (auto const& row : rows_) {
    if (row.size() < 2) continue;
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], characters(row[i]));
  }
  std::string lines;
  for (auto const& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row.size() == 1) {
        lines += row[i];
        continue;
      }
      std::string const gap(widths[i] - characters(row[i]), ' ');
      lines += i == 0 ? row[i] + gap : "  " + gap + row[i];
    }
    lines += '\n';
  }
  return lines;
}

}  // namespace onemask
