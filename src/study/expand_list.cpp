#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/study/study.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <type_traits>

namespace onemask {
namespace {

template <typename T>
T parse(std::string const& text, std::string const& whole) {
  T value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw UserError("The sweep list '" + whole + "' holds '" + text + "', which is not a " +
                    (std::is_integral_v<T> ? "whole number" : "number") + ". Write 0..7, a,b,c or logspace(-3,-1,5).");
  }
  return value;
}

constexpr std::uint64_t longest = 100000;

std::vector<std::string> range(std::string const& text, std::size_t dots) {
  auto const first = parse<std::int64_t>(trimmed(text.substr(0, dots)), text),
             last = parse<std::int64_t>(trimmed(text.substr(dots + 2)), text);
  auto const steps = static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first);
  if (last < first || steps >= longest)
    throw UserError("The sweep list '" + text + "' must be ascending, with at most 100000 values.");
  std::vector<std::string> values;
  for (std::uint64_t step = 0; step <= steps; ++step) values.push_back(std::to_string(first + static_cast<std::int64_t>(step)));
  return values;
}

std::vector<std::string> logspace(std::string const& text) {
  auto const parts = split_text(text.substr(9, text.size() - 10), ',');
  if (parts.size() != 3) throw UserError("The sweep list '" + text + "' must be logspace(first exponent, last exponent, count).");
  auto const first = parse<double>(trimmed(parts[0]), text), last = parse<double>(trimmed(parts[1]), text);
  auto const count = parse<std::int64_t>(trimmed(parts[2]), text);
  if (count < 1 || count > static_cast<std::int64_t>(longest))
    throw UserError("The sweep list '" + text + "' must have between 1 and 100000 values.");
  std::vector<std::string> values;
  for (std::int64_t i = 0; i < count; ++i) {
    auto const exponent = count == 1 ? first : first + (last - first) * static_cast<double>(i) / static_cast<double>(count - 1);
    auto const number = std::pow(10, exponent);
    if (!std::isfinite(number)) throw UserError("The sweep list '" + text + "' exceeds the range of numbers.");
    std::ostringstream value;
    value.precision(10);
    value << number;
    values.push_back(value.str());
  }
  return values;
}

/// "range(0,3)", "linspace(0,1,5)": a function of another program.
bool is_call(std::string const& text) {
  auto const open = text.find('(');
  return open != std::string::npos && open > 0 && text.ends_with(')') &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == open;
}

}  // namespace

std::vector<std::string> expand_list(std::string const& text) {
  std::vector<std::string> values;
  if (auto const dots = text.find(".."); dots != std::string::npos && text.find('/') == std::string::npos) {
    values = range(text, dots);
  } else if (text.starts_with("logspace(") && text.ends_with(")")) {
    values = logspace(text);
  } else if (is_call(text)) {
    throw UserError("The sweep list '" + text +
                    "' has a form that is not known. Write 0..2 for 0,1,2, single values as a,b,c or [a, b, c], or "
                    "logspace(-3,-1,5) for five powers of 10.");
  } else {
    for (auto const& value : split_text(text, ',')) values.push_back(trimmed(value));
  }
  for (auto const& value : values) {
    if (value.empty()) throw UserError("The sweep list '" + text + "' has an empty value.");
  }
  return values;
}

}  // namespace onemask
