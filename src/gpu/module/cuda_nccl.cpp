#include "gpu/module/cuda_nccl.hpp"

#include <cstring>

#include <c10/core/Event.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <fmt/core.h>
#include <nccl.h>

namespace onemask {

namespace {

void check(ncclResult_t result, ncclComm_t comm) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  std::string const detail = ncclGetLastError(comm);
  throw NcclError(ncclGetErrorString(result) + (detail.empty() ? "" : " (" + detail + ")"));
}

class CudaNcclGroup : public NcclGroup {
 public:
  CudaNcclGroup(std::string const& group, int rank, int ranks, c10::Device device) : CudaNcclGroup(device) {
    c10::cuda::CUDAGuard const guard(device_);
    ncclUniqueId id;
    std::memcpy(&id, group.data(), sizeof id);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    check(ncclCommInitRankConfig(&comm_, ranks, id, rank, &config), comm_);
  }

  ~CudaNcclGroup() override {
    c10::cuda::CUDAGuard const guard(device_);
    if (comm_ != nullptr) left_&& state() == ncclSuccess ? ncclCommDestroy(comm_) : ncclCommAbort(comm_);
  }

  bool ready() override {
    auto const now = state();
    check(now, comm_);
    return now == ncclSuccess;
  }

  void sum(at::Tensor const& values) override {
    c10::cuda::CUDAGuard const guard(device_);
    c10::Event given(c10::DeviceType::CUDA);
    given.record(c10::cuda::getCurrentCUDAStream(device_.index()).unwrap());
    given.block(stream_.unwrap());
    auto* const data = values.data_ptr();
    check(ncclAllReduce(data, data, static_cast<std::size_t>(values.numel()), ncclInt64, ncclSum, comm_, stream_.stream()),
          comm_);
  }

  bool complete() override {
    try {
      return stream_.query();
    } catch (c10::Error const& error) {
      throw NcclError(error.what_without_backtrace());
    }
  }

  void leave() override {
    c10::cuda::CUDAGuard const guard(device_);
    check(ncclCommFinalize(comm_), comm_);
    left_ = true;
  }

 private:
  explicit CudaNcclGroup(c10::Device device) : device_(device), stream_(c10::cuda::getStreamFromPool(false, device.index())) {}

  ncclResult_t state() const {
    ncclResult_t state = ncclSuccess;
    auto const result = ncclCommGetAsyncError(comm_, &state);
    return result == ncclSuccess ? state : result;
  }

  c10::Device device_;
  c10::cuda::CUDAStream stream_;
  ncclComm_t comm_ = nullptr;
  bool left_ = false;
};

}  // namespace

std::string CudaNccl::version() const {
  int version = 0;
  check(ncclGetVersion(&version), nullptr);
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::string CudaNccl::new_group() const {
  ncclUniqueId id;
  check(ncclGetUniqueId(&id), nullptr);
  return {reinterpret_cast<char const*>(&id), sizeof id};
}

std::unique_ptr<NcclGroup> CudaNccl::join(std::string const& group, int rank, int ranks, c10::Device device) const {
  return std::make_unique<CudaNcclGroup>(group, rank, ranks, device);
}

}  // namespace onemask
