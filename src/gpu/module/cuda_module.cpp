#include "gpu/cuda_module.hpp"

#include "gpu/module/cuda_nccl.hpp"
#include <onemask/core/error.hpp>

#include <array>
#include <cuda_runtime_api.h>

#include <fmt/core.h>

namespace onemask {

namespace {

void check(cudaError_t code, int index) {
  if (code == cudaSuccess) return;
  throw RunError(
      fmt::format("GPU {} cannot be used: {}. Check it with nvidia-smi; another process may be using it or its memory.", index,
                  cudaGetErrorString(code)));
}

class Module : public CudaModule {
 public:
  Gpu describe(int index) const override {
    cudaDeviceProp properties{};
    std::array<char, 32> bus{};
    std::size_t free_memory = 0, memory = 0;
    check(cudaGetDeviceProperties(&properties, index), index);
    check(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), index), index);
    check(cudaSetDevice(index), index);
    check(cudaMemGetInfo(&free_memory, &memory), index);
    return {properties.name, bus.data(), memory, free_memory};
  }

  Nccl const* nccl() const override { return &nccl_; }

 private:
  CudaNccl nccl_;
};

}  // namespace

}  // namespace onemask

onemask::CudaModule const* onemask_cuda_module() {
  static onemask::Module const module;
  return &module;
}
