#include <onemask/settings/field.hpp>

#include <cmath>

#include <fmt/core.h>

namespace onemask {

bool Bounds::hold(double value) const {
  if (std::isnan(value) || (std::isinf(value) && !infinite)) return false;
  bool const low = with_least ? value >= least : value > least;
  bool const high = with_most ? value <= most : value < most;
  return low && high;
}

Bounds at_least(int least) {
  return {.least = static_cast<double>(least), .words = fmt::format("at least {}", least)};
}

Bounds positive() {
  return {.least = 0, .with_least = false, .words = "a positive number"};
}

Bounds between(int least, int most) {
  return {.least = static_cast<double>(least),
          .most = static_cast<double>(most),
          .with_least = false,
          .with_most = false,
          .words = fmt::format("between {} and {}", least, most)};
}

Bounds share() {
  return {.least = 0, .most = 1, .with_most = false, .words = "at least 0 and under 1"};
}

Bounds positive_or_infinite(std::string const& meaning) {
  return {.least = 0, .with_least = false, .infinite = true, .words = "above 0; .inf " + meaning};
}

}  // namespace onemask
