#pragma once

#include <onemask/comm/communicator.hpp>

#include <functional>

namespace onemask {

/// Runs `work` on every rank, then all ranks learn whether it failed anywhere: no rank throws alone and leaves the others
/// waiting. A rank that failed throws its own exception; the others throw one of the kind of the lowest failed rank (UserError,
/// Interrupted, else RunError) that says "rank 3: <message>".
///
/// Collective. `work` itself must not wait for other ranks at a point that they may miss by failing.
void agree(Communicator const& comm, std::function<void()> const& work);

}  // namespace onemask
