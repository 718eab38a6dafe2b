#pragma once

#include <onemask/comm/reducer.hpp>

#include <memory>

namespace onemask {

/// A reducer that sums CUDA tensors through NCCL; nullptr on all ranks when this build lacks NCCL or ranks share a GPU, which
/// NCCL refuses. Collective.
std::unique_ptr<GradientReducer> make_nccl_reducer(Communicator const& comm, c10::Device device);

}  // namespace onemask
