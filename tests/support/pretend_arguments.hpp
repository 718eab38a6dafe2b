#pragma once

#include <optional>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace onemask::test {

/// A CPU tensor that shares the numbers of a tensor of a pretend device.
at::Tensor host_alias(at::Tensor const& tensor);

/// The tensors of one call, moved to the CPU and back.
class PretendArguments {
 public:
  /// Replaces tensors and devices on the stack, after they were found to fit.
  PretendArguments(c10::OperatorHandle const& op, torch::jit::Stack& stack);

  /// After the call: results become tensors of the device.
  void restore(c10::OperatorHandle const& op, torch::jit::Stack& stack);

  c10::DeviceIndex device() const { return device_; }
  /// How many indices in brackets lay on the CPU.
  int host_indices() const { return host_indices_; }
  /// How many single numbers did.
  int host_numbers() const { return host_numbers_; }
  /// Whether an index is a mask.
  bool any_mask() const { return any_mask_; }

 private:
  struct Pair {
    at::Tensor tensor, host;
  };

  void look_at(c10::OperatorHandle const& op, torch::jit::Stack& stack);
  void look_at(c10::OperatorHandle const& op, at::Tensor const& tensor, bool index);
  at::Tensor to_host(at::Tensor const& tensor);
  at::Tensor to_device(at::Tensor const& result);

  c10::DeviceIndex device_ = -1;
  std::optional<at::Tensor> on_host_;  ///< the first CPU tensor that no operator of CUDA takes
  int host_indices_ = 0, host_numbers_ = 0;
  bool any_mask_ = false;
  std::vector<Pair> pairs_;
  std::vector<std::pair<c10::Storage, c10::Storage>> storages_;  ///< of host and device
};

}  // namespace onemask::test
