#include "group_reducer.hpp"
#include "mpi_reducer.hpp"
#include "nccl_reducer.hpp"
#include <onemask/comm/reducer.hpp>

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

}  // namespace

std::unique_ptr<GradientReducer> make_reducer(Communicator const& comm, c10::Device device) {
  if (comm.size() == 1) return std::make_unique<LocalReducer>(device);
  if (device.is_cuda()) {
    if (auto reducer = make_nccl_reducer(comm, device)) return reducer;
  }
  if (auto const* group = dynamic_cast<GroupBackend const*>(&comm.backend())) {
    return std::make_unique<GroupReducer>(*group, device);
  }
  return std::make_unique<MpiReducer>(comm, device);
}

}  // namespace onemask
