#include "gpu/device_module.hpp"
#include "gpu/module/cuda_stream.hpp"
#include "gpu/module/nccl_library.hpp"
#include <onemask/core/error.hpp>

#include <algorithm>
#include <array>
#include <cuda_runtime_api.h>
#include <string>

#include <fmt/core.h>

namespace onemask {

namespace {

void check(cudaError_t code, int index) {
  if (code == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // where the GPU can still be used, LibTorch would take this for a failure of its own
  throw RunError(
      fmt::format("GPU {} cannot be used: {}. Check it with nvidia-smi; another process may be using it or its memory.", index,
                  cudaGetErrorString(code)));
}

/// As nvidia-smi writes it; empty where the driver knows none.
std::string uuid_text(cudaUUID_t const& uuid) {
  if (std::all_of(std::begin(uuid.bytes), std::end(uuid.bytes), [](char byte) { return byte == 0; })) return "";
  std::string text = "GPU-";
  for (std::size_t i = 0; i < sizeof uuid.bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[i]));
  }
  return text;
}

/// "12.4" of 12040.
std::string cuda_version(int code) {
  return fmt::format("{}.{}", code / 1000, code % 1000 / 10);
}

class Module : public DeviceModule {
 public:
  std::string failure() const override {
    int gpus = 0, driver = 0, runtime = 0;
    auto const code = cudaGetDeviceCount(&gpus);
    static_cast<void>(cudaGetLastError());
    if (code == cudaSuccess) return {};
    if (code != cudaErrorInsufficientDriver || cudaDriverGetVersion(&driver) != cudaSuccess ||
        cudaRuntimeGetVersion(&runtime) != cudaSuccess) {
      return fmt::format("CUDA does not start: {}. Choose cpu, or check the GPUs with nvidia-smi.", cudaGetErrorString(code));
    }
    return fmt::format(
        "the driver is too old: it is of CUDA {}, and this LibTorch was built with CUDA {}. Choose cpu, update the driver, or "
        "build "
        "with a LibTorch for the driver's CUDA (-DLIBTORCH_ROOT).",
        cuda_version(driver), cuda_version(runtime));
  }

  Gpu describe(int index) const override {
    cudaDeviceProp properties{};
    std::array<char, 32> bus{};
    std::size_t free_memory = 0, memory = 0;
    check(cudaGetDeviceProperties(&properties, index), index);
    check(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), index), index);
    check(cudaSetDevice(index), index);
    check(cudaMemGetInfo(&free_memory, &memory), index);
    return {properties.name, bus.data(), uuid_text(properties.uuid), memory, free_memory};
  }

  Nccl const* nccl() const override { return &nccl_; }

 private:
  NcclLibrary nccl_{open_cuda_stream};
};

}  // namespace

}  // namespace onemask

onemask::DeviceModule const* onemask_cuda_module() {
  static onemask::Module const module;
  return &module;
}
