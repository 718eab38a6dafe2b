#include "backend.hpp"
#include "nccl_reducer.hpp"
#include "summable.hpp"
#include <onemask/comm/reducer.hpp>

#include <stdexcept>

#include <ATen/core/Tensor.h>

namespace onemask {

std::unique_ptr<GradientReducer> make_reducer(Communicator const& comm, c10::Device device) {
  if (device.is_cuda() && comm.size() > 1) {
    if (auto reducer = make_nccl_reducer(comm, device)) return reducer;
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
