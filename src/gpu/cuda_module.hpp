#pragma once

#include <onemask/gpu/gpus.hpp>
#include <onemask/gpu/nccl.hpp>

namespace onemask {

/// All that the program takes from CUDA and NCCL beside LibTorch's operators. It lies in a library of its own,
/// libonemask_cuda.so, the only one linked to them.
class CudaModule {
 public:
  virtual ~CudaModule() = default;

  /// See describe_gpu.
  virtual Gpu describe(int index) const = 0;
  /// nullptr where the build has none.
  virtual Nccl const* nccl() const = 0;
};

}  // namespace onemask

/// What the program looks up in libonemask_cuda.so once that is loaded.
extern "C" onemask::CudaModule const* onemask_cuda_module();
