#pragma once

#include <string>
#include <vector>

#include <mpi.h>

namespace onemask {

/// Throws RunError with MPI's text for `code`, unless it is MPI_SUCCESS. `what` completes "MPI failed to …".
void check_mpi(int code, std::string const& what);

/// Waits until all requests are complete, in naps, and clears the list.
void wait_all(std::vector<MPI_Request>& requests, std::string const& what);

}  // namespace onemask
