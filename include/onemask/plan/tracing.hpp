#pragma once

#include <onemask/settings/tracing_options.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// Some facts, traced by restoring one kind of state. In the object, facts are numbered from the task's first.
struct TracingTask {
  TraceKind kind = TraceKind::state;
  std::vector<std::size_t> facts;  ///< of the plan
  std::string key;                 ///< object
};

}  // namespace onemask
