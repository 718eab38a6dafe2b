#pragma once

#include <stdexcept>
#include <string>

namespace onemask {

/// The program has a defect: something that it relies on does not hold, and its results would be wrong. Exit code 1.
class BrokenInvariant : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// What must hold, and where that is claimed.
struct Claim {
  // Not std::source_location, which older versions of Clang do not have.
  constexpr Claim(bool is_so, char const* of_file = __builtin_FILE(), int of_line = __builtin_LINE())
      : holds(is_so), file(of_file), line(of_line) {}

  bool holds;
  char const* file;
  int line;
};

namespace detail {

[[noreturn]] void report_broken(Claim const& claim, std::string const& what);

inline std::string const& text_of(std::string const& text) {
  return text;
}
inline std::string text_of(char const* text) {
  return text;
}
template <class Number>
std::string text_of(Number number) {
  return std::to_string(number);
}

}  // namespace detail

/// Throws BrokenInvariant unless the claim holds, saying what is broken: texts and numbers, put together only then. Checked in
/// every build, so for what costs nothing measurable: sizes, ids, counts, sums.
template <class... Parts>
void invariant(Claim const& claim, Parts const&... broken) {
  if (claim.holds) [[likely]]
    return;
  detail::report_broken(claim, (std::string() + ... + detail::text_of(broken)));
}

}  // namespace onemask
