#include "compute/nccl_reducer.hpp"
#include "compute/summable.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/comm/integer_sums.hpp>
#include <onemask/compute/reducer.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/gpu/gpus.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {
namespace {

/// Sums in the memory of the host; tensors on GPUs are copied there and back. One rank's numbers are their own sums and stay
/// where they are.
class HostReducer : public GradientReducer {
 public:
  HostReducer(Communicator const& comm, c10::Device device) : sums_(comm.sums()), device_(device), alone_(comm.size() == 1) {}

  void add(at::Tensor const& values) override {
    expect_summable(values, device_);
    if (alone_) return;
    auto const host = std::make_shared<at::Tensor const>(values.cpu());
    invariant(host->numel() == values.numel() && host->is_contiguous(), "a gradient of ", values.numel(),
              " numbers is summed as ", host->numel());
    tensors_.push_back({values, host});
    sums_->start(host->data_ptr<std::int64_t>(), host->numel(), host);
  }

  void finalize() override {
    sums_->finish();
    for (auto& [target, host] : tensors_) {
      if (!target.is_same(*host)) target.copy_(*host);
    }
    tensors_.clear();
  }

  std::string transport() const override { return sums_->transport(); }

 private:
  std::unique_ptr<IntegerSums> sums_;
  c10::Device device_;
  bool alone_;
  std::vector<std::pair<at::Tensor, std::shared_ptr<at::Tensor const>>> tensors_;  ///< with the same on the host
};

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
  return std::make_unique<HostReducer>(comm, device);
}

void expect_summable(at::Tensor const& values, c10::Device device) {
  if (values.scalar_type() != at::kLong || !values.is_contiguous() || values.device().type() != device.type()) {
    throw std::invalid_argument("a gradient to be summed must be a contiguous int64 tensor on " + device.str() + ", not " +
                                values.toString() + " on " + values.device().str());
  }
}

}  // namespace onemask
