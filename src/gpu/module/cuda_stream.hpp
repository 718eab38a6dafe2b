#pragma once

#include "gpu/module/device_stream.hpp"

#include <memory>

#include <c10/core/Device.h>

namespace onemask {

/// A stream of a GPU beside the one that LibTorch computes on. Throws NcclError when the GPU fails.
std::unique_ptr<DeviceStream> open_cuda_stream(c10::Device device);

}  // namespace onemask
