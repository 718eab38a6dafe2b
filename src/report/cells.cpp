#include "report/cells.hpp"

#include <array>
#include <cstdio>

#include <fmt/core.h>

namespace onemask {

std::string number(double value, int decimals) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::string percent(double share) {
  return number(100 * share, 1);
}

std::string interval(Estimate const& value) {
  return "[" + percent(value.low) + ", " + percent(value.high) + "]";
}

std::string counts(Estimate const& value) {
  return fmt::format("{}/{}", value.n, value.planned);
}

std::string heading_of(std::string const& split, std::string const& edits) {
  return "Split " + split + (edits.empty() ? "" : ", " + edits);
}

std::string label_of(ModelKind const& kind, std::size_t scored) {
  return kind.label + mean_of(kind, scored);
}

std::string mean_of(ModelKind const& kind, std::size_t scored) {
  auto const count = kind.models.size();
  if (count < 2) return "";
  return scored == count ? fmt::format(" (mean of {})", count) : fmt::format(" (mean of {} of {})", scored, count);
}

}  // namespace onemask
