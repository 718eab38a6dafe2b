#pragma once

#include <onemask/core/error.hpp>

#include <string>

#include <c10/util/Exception.h>
#include <fmt/core.h>

namespace onemask {

/// Runs `work`; where the device has too little memory for it, throws a RunError that says the remedy, a sentence.
template <typename Work>
auto with_remedy_for_memory(std::string const& remedy, Work const& work) {
  try {
    return work();
  } catch (c10::OutOfMemoryError const& error) {
    throw RunError(fmt::format("The device has too little memory for this task. {} {}", remedy, error.what_without_backtrace()));
  }
}

/// The same, where a smaller `setting` is the remedy.
template <typename Work>
auto with_memory_set_by(char const* setting, Work const& work) {
  return with_remedy_for_memory(fmt::format("Set {} to a smaller number.", setting), work);
}

}  // namespace onemask
