#pragma once

#include <cstdint>

namespace onemask {

/// A mean with its 95 % interval, over n of the planned facts.
struct Estimate {
  double mean, low, high;
  std::int64_t n, planned;
};

}  // namespace onemask
