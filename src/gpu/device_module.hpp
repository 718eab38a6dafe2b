#pragma once

#include <onemask/gpu/gpus.hpp>
#include <onemask/gpu/nccl.hpp>

#include <string>

namespace onemask {

/// All that the program takes from a kind of device beside LibTorch's operators. That of CUDA lies in a library of its own,
/// libonemask_cuda.so, the only one linked to CUDA and NCCL. That of a kind which something else has registered with LibTorch is
/// brought by whoever registers it.
class DeviceModule {
 public:
  virtual ~DeviceModule() = default;

  /// Why none of the GPUs that the driver tells of can be used, the end of a sentence with what to do; empty where it is not
  /// known.
  virtual std::string failure() const = 0;
  /// See describe_gpu.
  virtual Gpu describe(int index) const = 0;
  /// nullptr where there is none.
  virtual Nccl const* nccl() const = 0;
};

}  // namespace onemask

// A library exports its module through such a function, which has the kind's name in LibTorch: onemask_cuda_module.
extern "C" onemask::DeviceModule const* onemask_cuda_module();
