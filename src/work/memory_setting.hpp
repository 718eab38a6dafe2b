#pragma once

#include <onemask/core/error.hpp>

#include <c10/util/Exception.h>
#include <fmt/core.h>

namespace onemask {

/// Runs `work`; where the device has too little memory for it, throws a RunError that names the setting to lower.
template <typename Work>
auto with_memory_set_by(char const* setting, Work const& work) {
  try {
    return work();
  } catch (c10::OutOfMemoryError const& error) {
    throw RunError(fmt::format("The device has too little memory for this task. Set {} to a smaller number. {}", setting,
                               error.what_without_backtrace()));
  }
}

}  // namespace onemask
