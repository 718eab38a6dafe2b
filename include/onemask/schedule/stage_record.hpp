#pragma once

#include <cstddef>
#include <string>

namespace onemask {

/// What a start of a run did of one kind of task.
struct StageRecord {
  std::string name;
  double seconds = 0;  ///< wall time
  std::size_t tasks = 0, done_before = 0;
  int ranks = 1;
};

}  // namespace onemask
