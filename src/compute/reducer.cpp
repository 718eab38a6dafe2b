#include "compute/nccl_reducer.hpp"
#include "compute/reducer_choice.hpp"
#include "compute/summable.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/comm/environment.hpp>
#include <onemask/comm/integer_sums.hpp>
#include <onemask/compute/reducer.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/text.hpp>
#include <onemask/gpu/gpus.hpp>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/core.h>

namespace onemask {
namespace {

/// Sums in the memory of the host; tensors on GPUs are copied there and back. One rank's numbers are their own sums and stay
/// where they are.
class HostReducer : public GradientReducer {
 public:
  HostReducer(Communicator const& comm, c10::Device device, std::string reason)
      : sums_(comm.sums()), device_(device), alone_(comm.size() == 1), reason_(std::move(reason)) {}

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

  std::string transport() const override { return alone_ ? "one rank" : sums_->transport(); }
  std::string reason() const override { return reason_; }

 private:
  std::unique_ptr<IntegerSums> sums_;
  c10::Device device_;
  bool alone_;
  std::string reason_;
  std::vector<std::pair<at::Tensor, std::shared_ptr<at::Tensor const>>> tensors_;  ///< with the same on the host
};

/// Why NCCL, which refuses GPUs that ranks share, is not used; empty where it can be. Collective.
std::string obstacle_to_nccl(Communicator const& comm, c10::Device device, std::string const& gpu) {
  if (comm.size() == 1) return "there is one rank";
  std::map<std::string, std::vector<std::size_t>> ranks;
  auto const gpus = comm.all_gather(gpu);
  for (std::size_t rank = 0; rank < gpus.size(); ++rank) ranks[gpus[rank]].push_back(rank);
  if (auto const without = ranks.find(""); without != ranks.end()) {
    if (device.is_cpu() && without->second.size() == gpus.size()) return "ranks compute on CPUs";
    return fmt::format("rank {} has no GPU, or no NCCL for it", without->second.front());
  }
  for (auto const& [name, sharing] : ranks) {
    if (sharing.size() > 1)
      return "ranks " + join(sharing, ", ", [](std::size_t rank) { return std::to_string(rank); }) + " share a GPU";
  }
  return "";
}

/// What else to say where NCCL fails in these words.
std::string advice_on(std::string const& failure) {
  bool const network = failure.find("ootstrap") != std::string::npos || failure.find("ocket") != std::string::npos;
  return std::string(network ? "If the network is the cause, set NCCL_SOCKET_IFNAME to an interface that reaches all hosts "
                               "('ip -br addr' lists them). "
                             : "") +
         "NCCL_DEBUG=INFO prints more details.";
}

/// One that no other GPU has; hosts may have the same name, and one host several.
std::string gpu_name(c10::Device device) {
  auto const gpu = describe_gpu(device);
  return gpu.uuid.empty() ? host_name() + " " + gpu.bus_id : gpu.uuid;
}

}  // namespace

std::unique_ptr<GradientReducer> make_reducer(Communicator const& comm, c10::Device device) {
  std::string gpu;
  if (comm.size() > 1) {
    agree(comm, [&] {
      if (nccl(device.type()) != nullptr) gpu = gpu_name(device);
    });
  }
  return choose_reducer(comm, device, nccl(device.type()), gpu);
}

std::unique_ptr<GradientReducer> choose_reducer(Communicator const& comm, c10::Device device, Nccl const* nccl,
                                                std::string const& gpu) {
  auto obstacle = obstacle_to_nccl(comm, device, gpu);
  if (obstacle.empty()) {
    try {
      return std::make_unique<NcclReducer>(comm, *nccl, device);
    } catch (NcclError const& error) {
      obstacle = error.what();
      if (comm.rank() == 0) {
        log_warning(obstacle +
                    ". Gradients are summed in the memory of the hosts instead, which takes longer and gives the same bits. " +
                    advice_on(obstacle));
      }
    }
  }
  return std::make_unique<HostReducer>(comm, device, obstacle);
}

void expect_summable(at::Tensor const& values, c10::Device device) {
  auto const place = values.device();
  bool const elsewhere = place.has_index() && device.has_index() && place.index() != device.index();
  if (values.scalar_type() != at::kLong || !values.is_contiguous() || place.type() != device.type() || elsewhere) {
    throw std::invalid_argument("a gradient to be summed must be a contiguous int64 tensor on " + device.str() + ", not " +
                                values.toString() + " on " + place.str());
  }
}

}  // namespace onemask
