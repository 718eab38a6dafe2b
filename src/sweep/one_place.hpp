#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/sweep/run.hpp>

#include <chrono>

namespace onemask {

/// Refuses ranks that were started to do different things, or whose folders have one name but are different ones, as those of
/// nodes' own disks; a file of rank 0 may take `patience` to appear on a network file system. Collective.
void require_one_place(Communicator const& world, RunOptions const& options,
                       std::chrono::milliseconds patience = std::chrono::seconds(10));

}  // namespace onemask
