#pragma once

#include "gpu/module/device_stream.hpp"
#include <onemask/gpu/nccl.hpp>

#include <memory>
#include <string>

namespace onemask {

/// NVIDIA's NCCL, in nonblocking mode. All that it needs of CUDA is a stream of each device.
class NcclLibrary : public Nccl {
 public:
  using OpenStream = std::unique_ptr<DeviceStream> (*)(c10::Device device);

  explicit NcclLibrary(OpenStream open_stream) : open_stream_(open_stream) {}

  std::string version() const override;
  /// Throws NcclError when the library is older than the header that this program was built with, as `join` does.
  std::string new_group() const override;
  std::unique_ptr<NcclGroup> join(std::string const& group, int rank, int ranks, c10::Device device) const override;

 private:
  OpenStream open_stream_;
};

}  // namespace onemask
