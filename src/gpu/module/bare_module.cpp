#include "gpu/device_module.hpp"

namespace onemask {

namespace {

/// Of a build without NCCL and the CUDA runtime: GPUs through LibTorch alone.
class BareModule : public DeviceModule {
 public:
  std::string failure() const override { return {}; }
  Gpu describe(int) const override { return {}; }
  Nccl const* nccl() const override { return nullptr; }
};

}  // namespace

}  // namespace onemask

onemask::DeviceModule const* onemask_cuda_module() {
  static onemask::BareModule const module;
  return &module;
}
