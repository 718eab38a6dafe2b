#pragma once

#include <onemask/gpu/nccl.hpp>

namespace onemask {

/// NVIDIA's NCCL, in nonblocking mode.
class CudaNccl : public Nccl {
 public:
  std::string version() const override;
  std::string new_group() const override;
  std::unique_ptr<NcclGroup> join(std::string const& group, int rank, int ranks, c10::Device device) const override;
};

}  // namespace onemask
