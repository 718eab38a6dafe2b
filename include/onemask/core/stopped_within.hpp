#pragma once

#include <chrono>
#include <stop_token>

namespace onemask {

/// Sleeps for `time`, or until `stop` is asked for: whether it was.
bool stopped_within(std::chrono::milliseconds time, std::stop_token const& stop);

}  // namespace onemask
