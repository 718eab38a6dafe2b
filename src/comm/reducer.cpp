#include "backend.hpp"
#include "nccl_reducer.hpp"
#include "summable.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/comm/reducer.hpp>
#include <onemask/gpu/gpus.hpp>

#include <algorithm>
#include <stdexcept>

#include <ATen/core/Tensor.h>

namespace onemask {

namespace {

/// NCCL refuses GPUs that ranks share. Collective.
bool own_gpus(Communicator const& comm, c10::Device device) {
  auto gpus = comm.all_gather(host_name() + " " + describe_gpu(device.index()).bus_id);
  std::sort(gpus.begin(), gpus.end());
  return std::adjacent_find(gpus.begin(), gpus.end()) == gpus.end();
}

}  // namespace

std::unique_ptr<GradientReducer> make_reducer(Communicator const& comm, c10::Device device) {
  if (device.is_cuda() && comm.size() > 1 && nccl() != nullptr && own_gpus(comm, device)) {
    return std::make_unique<NcclReducer>(comm, *nccl(), device);
  }
  return comm.backend().reducer(device);
}

void expect_summable(at::Tensor const& values, c10::Device device) {
  if (values.scalar_type() != at::kLong || !values.is_contiguous() || values.device().type() != device.type()) {
    throw std::invalid_argument("a gradient to be summed must be a contiguous int64 tensor on " + device.str() + ", not " +
                                values.toString() + " on " + values.device().str());
  }
}

}  // namespace onemask
