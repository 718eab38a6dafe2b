#include "support/pretend_arguments.hpp"

#include "support/pretend_memory.hpp"
#include "support/pretend_streams.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <unordered_set>

#include <ATen/ATen.h>

namespace onemask::test {
namespace {

/// Takes 0-dimensional CPU tensors beside those of a GPU, as pointwise operators do.
bool takes_host_numbers(c10::OperatorHandle const& op) {
  static std::unordered_set<std::string> const others{
      "aten::index_put_", "aten::_index_put_impl_", "aten::index_put", "aten::index_fill_",
      "aten::where",      "aten::masked_fill_",     "aten::fill_"};
  return op.hasTag(at::Tag::pointwise) || others.contains(op.schema().name());
}

[[noreturn]] void refuse_devices(c10::OperatorHandle const& op, std::string const& a, std::string const& b) {
  TORCH_CHECK(false, "Expected all tensors to be on the same device, but found at least two devices, ", a, " and ", b,
              "! (in a call of ", op.operator_name(), ")");
}

at::Tensor tensor_on(c10::Storage storage, c10::DispatchKey key, at::Tensor const& shape) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), shape.dtype());
  auto* const impl = tensor.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(shape.sizes(), shape.strides(), shape.storage_offset());
  if (shape.unsafeGetTensorImpl()->is_wrapped_number()) impl->set_wrapped_number(true);
  return tensor;
}

std::span<c10::IValue> last_of(torch::jit::Stack& stack, std::size_t count) {
  return std::span(stack).last(count);
}

}  // namespace

at::Tensor host_alias(at::Tensor const& tensor) {
  return tensor_on(host_storage(tensor.storage()), c10::DispatchKey::CPU, tensor);
}

PretendArguments::PretendArguments(c10::OperatorHandle const& op, torch::jit::Stack& stack) {
  look_at(op, stack);
  for (auto& value : last_of(stack, op.schema().arguments().size())) {
    if (value.isTensor()) {
      value = to_host(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (at::Tensor const& tensor : value.toTensorVector()) list.push_back(to_host(tensor));
      value = std::move(list);
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (std::optional<at::Tensor> const& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? std::optional(to_host(*tensor)) : std::nullopt);
      value = std::move(list);
    } else if (value.isDevice()) {
      value = c10::Device(c10::kCPU);
    }
  }
}

void PretendArguments::look_at(c10::OperatorHandle const& op, torch::jit::Stack& stack) {
  for (auto const& value : last_of(stack, op.schema().arguments().size())) {
    if (value.isTensor()) {
      look_at(op, value.toTensor(), false);
    } else if (value.isTensorList()) {
      for (at::Tensor const& tensor : value.toTensorVector()) look_at(op, tensor, false);
    } else if (value.isOptionalTensorList()) {
      for (std::optional<at::Tensor> const& tensor : value.toOptionalTensorVector())
        if (tensor) look_at(op, *tensor, true);
    } else if (value.isDevice() && value.toDevice().is_privateuseone()) {
      auto const device = value.toDevice();
      device_ = device.has_index() ? device.index() : current_pretend_device();
    } else {
      TORCH_CHECK(!value.isStorage() && !value.isGenerator(), "The pretend device has no ", op.operator_name());
    }
  }
  if (device_ < 0) device_ = current_pretend_device();
  if (on_host_ && !pairs_.empty()) refuse_devices(op, pretend_device(device_).str(), on_host_->device().str());
}

void PretendArguments::look_at(c10::OperatorHandle const& op, at::Tensor const& tensor, bool index) {
  if (!tensor.defined()) return;
  if (index && (tensor.scalar_type() == at::kBool || tensor.scalar_type() == at::kByte)) any_mask_ = true;
  if (!tensor.device().is_privateuseone()) {
    if (index) {
      ++host_indices_;
    } else if (tensor.dim() == 0 && takes_host_numbers(op)) {
      ++host_numbers_;
    } else if (!on_host_) {
      on_host_ = tensor;
    }
    return;
  }
  auto const device = tensor.device().index();
  if (device_ >= 0 && device_ != device) refuse_devices(op, pretend_device(device_).str(), pretend_device(device).str());
  device_ = device;
  TORCH_CHECK(tensor.layout() == at::kStrided, "The pretend device knows strided tensors only");
  auto const known = [&](Pair const& pair) { return pair.tensor.is_same(tensor); };
  if (std::any_of(pairs_.begin(), pairs_.end(), known)) return;
  pairs_.push_back({tensor, host_alias(tensor)});
  storages_.emplace_back(pairs_.back().host.storage(), tensor.storage());
}

at::Tensor PretendArguments::to_host(at::Tensor const& tensor) {
  auto const known = [&](Pair const& pair) { return pair.tensor.is_same(tensor); };
  auto const found = std::find_if(pairs_.begin(), pairs_.end(), known);
  return found == pairs_.end() ? tensor : found->host;
}

void PretendArguments::restore(c10::OperatorHandle const& op, torch::jit::Stack& stack) {
  // Operators resize what they write to.
  for (auto const& [tensor, host] : pairs_) {
    TORCH_CHECK(host.storage().is_alias_of(host_storage(tensor.storage())), op.operator_name(),
                " has replaced the memory of a tensor");
    follow_host_storage(tensor.storage());
    if (tensor.sizes() != host.sizes() || tensor.strides() != host.strides() || tensor.storage_offset() != host.storage_offset())
      tensor.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
  }
  for (auto& value : last_of(stack, op.schema().returns().size())) {
    if (value.isTensor()) {
      value = to_device(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (at::Tensor const& tensor : value.toTensorVector()) list.push_back(to_device(tensor));
      value = std::move(list);
    }
  }
}

at::Tensor PretendArguments::to_device(at::Tensor const& result) {
  if (!result.defined()) return result;
  auto const same = [&](Pair const& pair) { return pair.host.is_same(result); };
  auto const argument = std::find_if(pairs_.begin(), pairs_.end(), same);
  if (argument != pairs_.end()) return argument->tensor;
  TORCH_CHECK(result.layout() == at::kStrided, "The pretend device knows strided tensors only");
  auto const shared = [&](auto const& pair) { return pair.first.is_alias_of(result.storage()); };
  auto found = std::find_if(storages_.begin(), storages_.end(), shared);
  if (found == storages_.end()) found = storages_.emplace(found, result.storage(), pretend_storage(result.storage(), device_));
  return tensor_on(found->second, c10::DispatchKey::PrivateUse1, result);
}

}  // namespace onemask::test
