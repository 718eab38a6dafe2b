#pragma once

#include <cuda_runtime_api.h>

namespace onemask {

/// A queue of work for a device, as NCCL's sums need it: CUDA's, or what stands for it in a test. Each function throws NcclError
/// when the device fails.
class DeviceStream {
 public:
  virtual ~DeviceStream() = default;

  /// What is queued from now on waits for the work that the device was given before.
  virtual void follow() = 0;
  /// Whether all that was queued is done.
  virtual bool idle() = 0;
  /// What NCCL knows it by.
  virtual cudaStream_t handle() const = 0;
};

}  // namespace onemask
