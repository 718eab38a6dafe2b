#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace onemask {

/// What NCCL says of a failure, in its own words.
class NcclError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One rank's end of a group of GPUs. No function waits for other ranks; each but `abort` throws NcclError when it, or anything
/// begun before, failed.
class NcclGroup {
 public:
  /// Leaves as `abort` does, unless `leave` is through.
  virtual ~NcclGroup() = default;

  /// Whether what was begun last, joining included, is under way: the next may begin only then.
  virtual bool ready() = 0;
  /// Begins to sum `values` over all ranks, in place, after the work that their GPU was given before. int64, contiguous, alive
  /// until the sum is complete.
  virtual void sum(at::Tensor const& values) = 0;
  /// Whether the GPU is done with every sum that was begun, after `abort` too: until then it may write to their tensors.
  virtual bool complete() = 0;
  /// Begins to leave in peace; through once `ready`.
  virtual void leave() = 0;
  /// Leaves at once, whatever other ranks and sums are at; then only `complete` may be called.
  virtual void abort() noexcept = 0;
};

/// NCCL, or what stands for it in a test.
class Nccl {
 public:
  virtual ~Nccl() = default;

  virtual std::string version() const = 0;
  /// Bytes that name a new group; one rank makes them and gives them to all.
  virtual std::string new_group() const = 0;
  /// Begins to join the group as `rank` of `ranks`, with a GPU that no other rank has.
  virtual std::unique_ptr<NcclGroup> join(std::string const& group, int rank, int ranks, c10::Device device) const = 0;
};

/// The NCCL for such devices; nullptr for the CPU, where CUDA is not loaded, and where the build or the kind of device has none.
Nccl const* nccl(c10::DeviceType type);

}  // namespace onemask
