#include "nccl_reducer.hpp"

#ifndef ONEMASK_HAVE_NCCL

namespace onemask {

std::unique_ptr<GradientReducer> make_nccl_reducer(Communicator const&, c10::Device) {
  return nullptr;
}

}  // namespace onemask

#else

#include "summable.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/pace.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <cuda_runtime_api.h>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

namespace onemask {

namespace {

constexpr std::chrono::milliseconds awake(1);  // before a wait becomes naps

/// One rank's end of an NCCL communicator in nonblocking mode: every wait asks for asynchronous errors, and aborts on one instead
/// of hanging.
class NcclReducer : public GradientReducer {
 public:
  NcclReducer(Communicator const& comm, c10::Device device)
      : group_(comm), device_(device), stream_(c10::cuda::getStreamFromPool(false, device.index())) {
    c10::cuda::CUDAGuard const guard(device_);
    ncclUniqueId id;
    std::string bytes(sizeof id, '\0');
    if (comm.rank() == 0) {
      settle(ncclGetUniqueId(&id), "make a group of GPUs");
      std::memcpy(bytes.data(), &id, sizeof id);
    }
    bytes = comm.broadcast(std::move(bytes), 0);
    std::memcpy(&id, bytes.data(), sizeof id);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    settle(ncclCommInitRankConfig(&comm_, comm.size(), id, comm.rank(), &config), "connect the GPUs");
  }

  ~NcclReducer() override {
    c10::cuda::CUDAGuard const guard(device_);
    if (comm_ == nullptr) return;
    try {
      if (!sums_.empty()) fail("sum gradients", "the reducer was left before its sums were complete");
      settle(ncclCommFinalize(comm_), "leave the group of GPUs");
      ncclCommDestroy(comm_);
    } catch (RunError const&) {
      // aborted already, and a destructor may not throw
    }
  }

  void add(at::Tensor const& values) override {
    expect_summable(values, device_);
    c10::cuda::CUDAGuard const guard(device_);
    c10::Event ready(c10::DeviceType::CUDA);
    ready.record(c10::cuda::getCurrentCUDAStream(device_.index()).unwrap());
    ready.block(stream_.unwrap());
    sums_.push_back(values);
    auto* const data = values.data_ptr();
    settle(ncclAllReduce(data, data, static_cast<std::size_t>(values.numel()), ncclInt64, ncclSum, comm_, stream_.stream()),
           "sum gradients");
  }

  void finalize() override {
    if (sums_.empty()) return;
    c10::cuda::CUDAGuard const guard(device_);
    c10::Event done(c10::DeviceType::CUDA);
    done.record(stream_.unwrap());
    for (Pace const pace(awake); !finished(done); nap(pace)) settle(ncclSuccess, "sum gradients");
    sums_.clear();
  }

  std::string transport() const override { return "NCCL"; }

 private:
  /// A GPU whose partner is lost would wait for ever: when the group is to end, the communicator is aborted.
  void nap(Pace const& pace) {
    try {
      if (pace.wait()) group_.poll();
    } catch (...) {
      if (comm_ != nullptr) ncclCommAbort(std::exchange(comm_, nullptr));
      throw;
    }
  }

  bool finished(c10::Event const& event) {
    try {
      return event.query();
    } catch (c10::Error const& error) {
      fail("sum gradients", error.what_without_backtrace());
    }
  }

  /// Waits until the call that returned `result` is through, and throws when it, or anything before it, failed.
  void settle(ncclResult_t result, std::string const& what) {
    Pace const pace(awake);
    do {
      if (result != ncclSuccess && result != ncclInProgress) fail(what, ncclGetErrorString(result));
      if (comm_ == nullptr) return;
      ncclResult_t state = ncclSuccess;
      result = ncclCommGetAsyncError(comm_, &state);
      if (result == ncclSuccess) result = state;
      if (result == ncclInProgress) nap(pace);
    } while (result != ncclSuccess);
  }

  [[noreturn]] void fail(std::string const& what, std::string const& reason) {
    std::string const detail = ncclGetLastError(comm_);
    if (comm_ != nullptr) ncclCommAbort(std::exchange(comm_, nullptr));
    throw RunError("NCCL failed to " + what + ": " + reason + (detail.empty() ? "" : " (" + detail + ")") +
                   ". Run the same command again to continue; NCCL_DEBUG=INFO prints more details.");
  }

  Communicator group_;
  c10::Device device_;
  c10::cuda::CUDAStream stream_;
  ncclComm_t comm_ = nullptr;
  std::vector<at::Tensor> sums_;
};

std::string name_of_gpu(c10::Device device) {
  std::array<char, 32> bus{};
  if (cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), device.index()) != cudaSuccess) {
    return host_name() + " " + std::to_string(device.index());
  }
  return host_name() + " " + bus.data();
}

}  // namespace

std::unique_ptr<GradientReducer> make_nccl_reducer(Communicator const& comm, c10::Device device) {
  if (!device.has_index()) device.set_index(c10::cuda::current_device());
  auto gpus = comm.all_gather(name_of_gpu(device));
  std::sort(gpus.begin(), gpus.end());
  if (std::adjacent_find(gpus.begin(), gpus.end()) != gpus.end()) return nullptr;
  return std::make_unique<NcclReducer>(comm, device);
}

}  // namespace onemask

#endif
