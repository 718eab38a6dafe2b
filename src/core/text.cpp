#include <onemask/core/text.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <regex>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Insertions, deletions and replacements that turn `a` into `b` (Levenshtein), one row of the table at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t const replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

template <typename... Values>
std::string print(char const* format, Values... values) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, values...);
  return buffer.data();
}

}  // namespace

std::string did_you_mean(std::string_view word, std::vector<std::string> const& candidates) {
  std::size_t best = word.size() < 4 ? 2 : std::max<std::size_t>(3, word.size() / 3 + 1);  // the first distance that is too far
  std::string const* nearest = nullptr;
  for (std::string const& candidate : candidates) {
    std::size_t const gap = std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size());
    if (gap >= best) continue;
    std::size_t const distance = edit_distance(word, candidate);
    if (distance >= best) continue;
    best = distance;
    nearest = &candidate;
  }
  return nearest ? " Did you mean '" + *nearest + "'?" : "";
}

std::string format_duration(double seconds) {
  if (!(seconds < 1e15)) return "unknown";
  seconds = std::max(seconds, 0.0);
  if (seconds < 9.995) return print("%.2f s", seconds);
  long long const whole = std::llround(seconds);
  if (whole < 60) return print("%lld s", whole);
  if (whole < 3600) return print("%lld min %02lld s", whole / 60, whole % 60);
  long long const minutes = std::llround(seconds / 60);
  if (minutes < 24 * 60) return print("%lld h %02lld min", minutes / 60, minutes % 60);
  long long const hours = std::llround(seconds / 3600);
  return print("%lld d %02lld h", hours / 24, hours % 24);
}

std::optional<double> parse_duration(std::string const& text) {
  static std::regex const plain(R"((\d{1,9}(?:\.\d+)?)([smhd]?))"), clock(R"((?:(\d{1,5})-)?(\d{1,5}):(\d{2}):(\d{2}))");
  std::smatch parts;
  double seconds = 0;
  if (std::regex_match(text, parts, plain)) {
    std::map<std::string, double> const units{{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    seconds = std::stod(parts[1]) * units.at(parts[2]);
  } else if (std::regex_match(text, parts, clock)) {
    seconds = ((parts[1].matched ? std::stod(parts[1]) * 24 : 0) + std::stod(parts[2])) * 3600 + std::stod(parts[3]) * 60 +
              std::stod(parts[4]);
  }
  return seconds > 0 ? std::optional(seconds) : std::nullopt;
}

std::string format_bytes(double bytes) {
  constexpr std::array units{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < units.size()) {
    bytes /= 1000;
    ++unit;
  }
  return print(unit > 0 && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

std::vector<std::string> split_text(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  for (std::size_t start = 0;;) {
    std::size_t const end = std::min(text.find(separator, start), text.size());
    pieces.emplace_back(text.substr(start, end - start));
    if (end == text.size()) return pieces;
    start = end + 1;
  }
}

std::string trimmed(std::string_view text, std::string_view around) {
  auto const first = text.find_first_not_of(around);
  return std::string(first == text.npos ? "" : text.substr(first, text.find_last_not_of(around) + 1 - first));
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace onemask
