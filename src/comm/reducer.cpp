#include "group_reducer.hpp"
#include "mpi_reducer.hpp"
#include "nccl_reducer.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/comm/reducer.hpp>
#include <onemask/gpu/gpus.hpp>

#include <algorithm>

#include <ATen/core/Tensor.h>

namespace onemask {

namespace {

/// One rank: every tensor is its own sum.
class LocalReducer : public GradientReducer {
 public:
  explicit LocalReducer(c10::Device device) : device_(device) {}
  void add(at::Tensor const& values) override { expect_summable(values, device_); }
  void finalize() override {}
  std::string transport() const override { return "one rank"; }

 private:
  c10::Device device_;
};

/// NCCL refuses GPUs that ranks share. Collective.
bool own_gpus(Communicator const& comm, c10::Device device) {
  auto gpus = comm.all_gather(host_name() + " " + describe_gpu(device.index()).bus_id);
  std::sort(gpus.begin(), gpus.end());
  return std::adjacent_find(gpus.begin(), gpus.end()) == gpus.end();
}

}  // namespace

std::unique_ptr<GradientReducer> make_reducer(Communicator const& comm, c10::Device device) {
  if (comm.size() == 1) return std::make_unique<LocalReducer>(device);
  if (device.is_cuda() && nccl() != nullptr && own_gpus(comm, device)) {
    return std::make_unique<NcclReducer>(comm, *nccl(), device);
  }
  if (auto const* group = dynamic_cast<GroupBackend const*>(&comm.backend())) {
    return std::make_unique<GroupReducer>(*group, device);
  }
  return std::make_unique<MpiReducer>(comm, device);
}

}  // namespace onemask
