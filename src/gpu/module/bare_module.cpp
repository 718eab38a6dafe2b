#include "gpu/cuda_module.hpp"

#include <fmt/core.h>

namespace onemask {

namespace {

/// Of a build without NCCL and the CUDA runtime: GPUs through LibTorch alone.
class BareModule : public CudaModule {
 public:
  Gpu describe(int index) const override { return {"", fmt::format("GPU {}", index), 0, 0}; }
  Nccl const* nccl() const override { return nullptr; }
};

}  // namespace

}  // namespace onemask

onemask::CudaModule const* onemask_cuda_module() {
  static onemask::BareModule const module;
  return &module;
}
