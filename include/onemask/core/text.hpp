#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace onemask {

/// The candidate with the smallest edit distance to `word`, as " Did you mean 'x'?", or "" when none is near.
std::string did_you_mean(std::string_view word, std::vector<std::string> const& candidates);

/// "1 min 20 s", "3 h 05 min", "0.42 s".
std::string format_duration(double seconds);

/// Seconds of "90", "90s", "15m", "2h", "1d", "3:50:00" or "1-12:00:00" (days-hours:minutes:seconds); nothing where it is none of
/// these, or not above 0.
std::optional<double> parse_duration(std::string const& text);

/// "1.5 GB", "12 kB".
std::string format_bytes(double bytes);

/// Pieces of `text` between `separator`s.
std::vector<std::string> split_text(std::string_view text, char separator);

/// Without the characters of `around` before and behind it.
std::string trimmed(std::string_view text, std::string_view around = " ");

/// A list as text: texts or whole numbers, with `separator` between them.
template <class List>
std::string join(List const& items, std::string_view separator) {
  std::string text;
  bool first = true;
  for (auto const& item : items) {
    if (!first) text += separator;
    first = false;
    if constexpr (std::is_integral_v<std::decay_t<decltype(item)>>) {
      text += std::to_string(item);
    } else {
      text += item;
    }
  }
  return text;
}

/// The same of what `to_text` says of each item.
template <class List, class ToText>
std::string join(List const& items, std::string_view separator, ToText const& to_text) {
  std::vector<std::string> texts;
  for (auto const& item : items) texts.push_back(to_text(item));
  return join(texts, separator);
}

/// "1 rank", "2 ranks".
std::string counted(std::size_t count, std::string_view noun);

}  // namespace onemask
