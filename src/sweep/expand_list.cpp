#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/sweep/study.hpp>

#include <charconv>
#include <cmath>
#include <sstream>

namespace onemask {
namespace {

template <typename T>
T parse(std::string const& text, std::string const& whole) {
  T value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw UserError("The sweep list '" + whole + "' holds '" + text +
                    "', which is not a number. Write 0..7, a,b,c or logspace(-3,-1,5).");
  }
  return value;
}

}  // namespace

std::vector<std::string> expand_list(std::string const& text) {
  constexpr long long longest = 100000;
  std::vector<std::string> values;
  if (auto const dots = text.find(".."); dots != std::string::npos) {
    auto const first = parse<long long>(text.substr(0, dots), text), last = parse<long long>(text.substr(dots + 2), text);
    if (last < first || last - first >= longest)
      throw UserError("The sweep list '" + text + "' must run upwards over at most 100000 values.");
    for (auto value = first; value <= last; ++value) values.push_back(std::to_string(value));
  } else if (text.starts_with("logspace(") && text.ends_with(")")) {
    auto const parts = split_text(text.substr(9, text.size() - 10), ',');
    if (parts.size() != 3)
      throw UserError("The sweep list '" + text + "' must be logspace(first exponent, last exponent, count).");
    auto const first = parse<double>(parts[0], text), last = parse<double>(parts[1], text);
    auto const count = parse<long long>(parts[2], text);
    if (count < 1 || count > longest) throw UserError("The sweep list '" + text + "' must have between 1 and 100000 values.");
    for (long long i = 0; i < count; ++i) {
      std::ostringstream value;
      value.precision(10);
      value << std::pow(10,
                        count == 1 ? first : first + (last - first) * static_cast<double>(i) / static_cast<double>(count - 1));
      values.push_back(value.str());
    }
  } else {
    values = split_text(text, ',');
  }
  for (auto const& value : values) {
    if (value.empty()) throw UserError("The sweep list '" + text + "' has an empty value.");
  }
  return values;
}

}  // namespace onemask
