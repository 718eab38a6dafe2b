#pragma once

#include <onemask/compute/reducer.hpp>
#include <onemask/gpu/nccl.hpp>

#include <memory>
#include <string>

namespace onemask {

/// What make_reducer makes of what it finds. `gpu` names this rank's GPU among all; empty where it has none, or no NCCL. Where
/// one rank has none, or two have the same, no rank uses NCCL. Collective.
std::unique_ptr<GradientReducer> choose_reducer(Communicator const& comm, c10::Device device, Nccl const* nccl,
                                                std::string const& gpu);

}  // namespace onemask
