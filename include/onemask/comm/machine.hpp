#pragma once

#include <string>

namespace onemask {

/// What the ranks talk through.
struct MessagePassing {
  std::string library;            ///< the MPI library with its version, e.g. "Open MPI v5.0.11"
  bool started = false;           ///< by a launcher; a process on its own never starts MPI
  std::string threads = {};       ///< the level that MPI offers, e.g. "MPI_THREAD_MULTIPLE"; empty when it is not started
  bool survivable = false;        ///< the library has User-Level Failure Mitigation (ULFM; Bland et al. 2013)
  bool survives_failure = false;  ///< and the launcher has switched it on
};

/// Those of this process, inside the life of its Environment.
MessagePassing message_passing();

}  // namespace onemask
