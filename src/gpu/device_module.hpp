#pragma once

#include <onemask/gpu/gpus.hpp>
#include <onemask/gpu/nccl.hpp>

namespace onemask {

/// All that the program takes from a kind of device beside LibTorch's operators. That of CUDA lies in a library of its own,
/// libonemask_cuda.so, the only one linked to CUDA and NCCL. That of a kind which something else has registered with LibTorch is
/// brought by whoever registers it.
class DeviceModule {
 public:
  virtual ~DeviceModule() = default;

  /// See describe_gpu.
  virtual Gpu describe(int index) const = 0;
  /// nullptr where there is none.
  virtual Nccl const* nccl() const = 0;
};

}  // namespace onemask

// A library exports its module through such a function, which has the kind's name in LibTorch: onemask_cuda_module.
extern "C" onemask::DeviceModule const* onemask_cuda_module();
