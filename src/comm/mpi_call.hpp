#pragma once

#include <functional>
#include <string>
#include <vector>

#include <mpi.h>

namespace onemask {

/// Throws RunError with MPI's text for `code`, LostRank where that is the reason, unless it is MPI_SUCCESS. `what` completes "MPI
/// failed to …".
void check_mpi(int code, std::string const& what);

/// Whether `code` says that a rank is lost.
bool is_loss(int code);

/// Waits until all requests are complete, in naps, and clears the list. `meanwhile` is called at every nap; what it throws ends
/// the wait.
void wait_all(std::vector<MPI_Request>& requests, std::string const& what, std::function<void()> const& meanwhile = {});

}  // namespace onemask
