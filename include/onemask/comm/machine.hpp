#pragma once

#include <cstdint>
#include <string>

namespace onemask {

/// What the ranks talk through.
struct MessagePassing {
  std::string library;            ///< the MPI library with its version, e.g. "Open MPI v5.0.11"
  bool started = false;           ///< by a launcher; a process on its own never starts MPI
  std::string threads = {};       ///< the level that MPI offers, e.g. "MPI_THREAD_MULTIPLE"; empty when it is not started
  bool survivable = false;        ///< the library has User-Level Failure Mitigation (ULFM; Bland et al. 2013)
  bool survives_failure = false;  ///< and the launcher has switched it on
  std::string nccl = {};          ///< version of NCCL, e.g. "2.28.9"; empty when the build has none
};

/// Those of this process, inside the life of its Environment.
MessagePassing message_passing();

/// A GPU as this process sees it.
struct Gpu {
  std::string name;                           ///< e.g. "NVIDIA H100 80GB HBM3"; empty where the build has no CUDA runtime to ask
  std::string bus_id;                         ///< names the device on its host, whatever its number
  std::uint64_t memory = 0, free_memory = 0;  ///< [bytes]
};

/// Number of GPUs that this process sees.
int visible_gpus();
/// The GPU of this number; begins to use it. Throws RunError when it cannot be used.
Gpu describe_gpu(int index);

}  // namespace onemask
