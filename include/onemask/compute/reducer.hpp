#pragma once

#include <onemask/comm/communicator.hpp>

#include <memory>
#include <string>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace onemask {

/// Adds up gradients over all ranks. The gradients are integers (see fixed_point.hpp), whose sum does not depend on the order of
/// the ranks, nor on how the library at work splits messages.
///
/// Every rank adds tensors of the same shapes in the same order.
class GradientReducer {
 public:
  virtual ~GradientReducer() = default;

  /// What carries the sums: "NCCL", "MPI", "messages" between single ranks, or "one rank".
  virtual std::string transport() const = 0;
  /// Why that carries them, the end of a sentence: "every rank has a GPU of its own".
  virtual std::string reason() const = 0;

  /// Starts to add up `values` over all ranks, in place; they must not be touched before `finalize`. int64, any shape,
  /// contiguous, on the reducer's device; throws std::invalid_argument otherwise.
  virtual void add(at::Tensor const& values) = 0;

  /// All tensors handed to `add` since the last call hold their sums when it returns. Throws RunError when the communication
  /// fails; the reducer and its communicator are then of no more use.
  virtual void finalize() = 0;
};

/// The reducer that suits `device` and the group: NCCL where there is one for such devices and every rank has a GPU to itself;
/// otherwise what the group talks through (a GPU's tensors go through host memory), also where NCCL cannot be set up, with a
/// warning; nothing to do for one rank. Collective.
std::unique_ptr<GradientReducer> make_reducer(Communicator const& comm, c10::Device device);

}  // namespace onemask
