#include "support/pretend_operators.hpp"

#include "support/pretend_arguments.hpp"
#include "support/pretend_memory.hpp"
#include "support/pretend_streams.hpp"

#include <cstring>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

namespace onemask::test {
namespace {

bool is_view_or_empty(std::string const& name) {
  static std::unordered_set<std::string> const names{"aten::as_strided", "aten::view",  "aten::_reshape_alias", "aten::unfold",
                                                     "aten::resize_",    "aten::empty", "aten::empty_strided",  "aten::alias"};
  return names.contains(name);
}

/// How often CUDA would wait in the operator, to know how large its result is or whether it failed.
int waits_for_sizes(c10::OperatorHandle const& op, torch::jit::Stack const& stack, PretendArguments const& arguments) {
  static std::unordered_set<std::string> const names{
      "aten::nonzero",      "aten::masked_select", "aten::_unique",    "aten::_unique2",          "aten::unique_dim",
      "aten::bincount",     "aten::multinomial",   "aten::linalg_eig", "aten::repeat_interleave", "aten::unique_consecutive",
      "aten::_linalg_eigh", "aten::_linalg_svd",   "aten::equal",      "aten::linalg_lstsq"};
  auto const& name = op.schema().name();
  if (name != "aten::_index_put_impl_") return names.contains(name) ? 1 : 0;
  // A mask: a single number needs no places.
  auto const& values = stack[stack.size() - op.schema().arguments().size() + 2].toTensor();
  return arguments.any_mask() && values.numel() != 1 ? 1 : 0;
}

/// How many CPU tensors CUDA would copy first.
int copies_to_device(std::string const& name, PretendArguments const& arguments) {
  if (name == "aten::index") return 0;  // the shape of its result was found before, with copies
  bool const copied = name == "aten::where" || name == "aten::_index_put_impl_";
  return arguments.host_indices() + (copied ? arguments.host_numbers() : 0);
}

/// As CUDA, where products of float32 matrices need not be exact: their inputs are rounded to TF32, which has 10 bits behind the
/// point.
at::Tensor rounded_to_tf32(at::Tensor const& matrix) {
  auto const bits = matrix.view(at::kInt);
  auto const odd = bits.bitwise_right_shift(13).bitwise_and(1);
  auto const rounded = (bits + odd + 0xfff).bitwise_and(~0x1fff).view(at::kFloat);
  return at::where(matrix.isfinite(), rounded, matrix);
}

void round_factors(c10::OperatorHandle const& op, torch::jit::Stack& stack) {
  static std::unordered_map<std::string, std::size_t> const first_factor{
      {"aten::mm", 0}, {"aten::bmm", 0}, {"aten::addmm", 1}, {"aten::addmm_", 1}, {"aten::baddbmm", 1}, {"aten::baddbmm_", 1}};
  auto const found = first_factor.find(op.schema().name());
  if (found == first_factor.end()) return;
  for (auto& value : std::span(stack).last(op.schema().arguments().size()).subspan(found->second, 2)) {
    if (value.toTensor().scalar_type() == at::kFloat) value = rounded_to_tf32(value.toTensor());
  }
}

/// The boxed fallback of all operators that are not below.
void run_on_host(c10::OperatorHandle const& op, torch::jit::Stack* stack) {
  PretendArguments arguments(op, *stack);
  auto& account = pretend_account(arguments.device());
  auto const& name = op.schema().name();
  auto const copies = copies_to_device(name, arguments), sizes = waits_for_sizes(op, *stack, arguments);
  catch_up(current_pretend_stream(arguments.device()), copies + sizes > 0 ? LateFor::host : LateFor::device);
  account.copies_to_device += copies;
  account.sizes += sizes;
  if (!is_view_or_empty(name)) ++account.operators;
  if (at::globalContext().float32MatmulPrecision() != at::Float32MatmulPrecision::HIGHEST) round_factors(op, *stack);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  arguments.restore(op, *stack);
}

void poison_all(at::Tensor const& tensor) {
  std::uint64_t bits = 0;
  std::memset(&bits, poison, sizeof bits);
  TORCH_CHECK(static_cast<std::size_t>(tensor.element_size()) <= sizeof bits, "The pretend device has no late copies of ",
              tensor.dtype());
  tensor.copy_(at::from_blob(&bits, {1}, tensor.options()).expand_as(tensor));
}

void copy_late(c10::Stream stream, LateFor whom, at::Tensor const& from, at::Tensor const& to) {
  catch_up(stream, LateFor::device);
  auto const source = whom == LateFor::host ? from.clone() : from;
  poison_all(to);
  do_later(stream, whom, [source, to] {
    at::AutoDispatchBelowADInplaceOrView const plain;
    to.copy_(source);
  });
}

at::Tensor copy_from(at::Tensor const& from, at::Tensor const& to, bool non_blocking) {
  at::AutoDispatchBelowADInplaceOrView const plain;
  bool const to_host = to.is_cpu(), from_host = from.is_cpu();
  auto const device = (from_host ? to : from).device().index();
  auto const stream = current_pretend_stream(device);
  if (!to_host && !from_host) {
    catch_up(stream, LateFor::device);
    catch_up(current_pretend_stream(to.device().index()), LateFor::device);
    ++pretend_account(device).operators;
    host_alias(to).copy_(host_alias(from));
    return to;
  }
  auto const source = from_host ? from : host_alias(from), target = to_host ? to : host_alias(to);
  if (non_blocking) {
    copy_late(stream, to_host ? LateFor::host : LateFor::device, source, target);
    return to;
  }
  catch_up(stream, LateFor::host);
  if (to.numel() > 0) ++(to_host ? pretend_account(device).copies_to_host : pretend_account(device).copies_to_device);
  target.copy_(source);
  return to;
}

at::Tensor copy_from_and_resize(at::Tensor const& from, at::Tensor const& to) {
  to.resize_(from.sizes());
  return copy_from(from, to, false);
}

at::Scalar read_number(at::Tensor const& tensor) {
  auto const device = tensor.device().index();
  catch_up(current_pretend_stream(device), LateFor::host);
  ++pretend_account(device).scalars;
  return at::_local_scalar_dense(host_alias(tensor));
}

c10::DeviceGuard on(std::optional<at::Device> device, std::optional<bool> pinned) {
  TORCH_CHECK(!pinned.value_or(false), "Only dense CPU tensors can be pinned");
  return c10::DeviceGuard(device.value_or(c10::Device(c10::kPrivateUse1)));
}

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device> device, std::optional<bool> pinned, std::optional<at::MemoryFormat> format) {
  auto const guard = on(device, pinned);
  return at::detail::empty_generic(size, c10::GetAllocator(c10::kPrivateUse1), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool> pinned) {
  auto const guard = on(device, pinned);
  return at::detail::empty_strided_generic(size, stride, c10::GetAllocator(c10::kPrivateUse1),
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(type));
}

at::Tensor& set_to(at::Tensor& tensor, at::Storage storage, std::int64_t offset, at::IntArrayRef size, at::IntArrayRef stride) {
  TORCH_CHECK(storage.device() == tensor.device(), "a tensor on ", tensor.device(), " cannot be set to memory of ",
              storage.device());
  auto const strides = stride.empty() ? c10::contiguous_strides(size) : c10::DimVector(stride);
  auto const bytes = at::detail::computeStorageNbytes(size, strides, tensor.element_size(), static_cast<std::size_t>(offset));
  TORCH_CHECK(bytes <= storage.nbytes(), "a tensor cannot be set to ", bytes, " bytes of a storage of ", storage.nbytes());
  auto* const impl = tensor.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(storage));
  impl->set_sizes_and_strides(size, strides, offset);
  return tensor;
}

at::Tensor& set_to_tensor(at::Tensor& tensor, at::Tensor const& source) {
  return set_to(tensor, source.storage(), source.storage_offset(), source.sizes(), source.strides());
}

at::Tensor& set_to_storage(at::Tensor& tensor, at::Storage storage) {
  auto const numbers = static_cast<std::int64_t>(storage.nbytes() / tensor.element_size());
  return set_to(tensor, std::move(storage), 0, {numbers}, {});
}

}  // namespace

void install_pretend_operators() {
  static torch::Library fallback(torch::Library::IMPL, "_", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
  fallback.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
  static torch::Library own(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
  own.impl("empty.memory_format", &empty);
  own.impl("empty_strided", &empty_strided);
  own.impl("_copy_from", &copy_from);
  own.impl("_copy_from_and_resize", &copy_from_and_resize);
  own.impl("_local_scalar_dense", &read_number);
  own.impl("set_.source_Storage_storage_offset", &set_to);
  own.impl("set_.source_Storage", &set_to_storage);
  own.impl("set_.source_Tensor", &set_to_tensor);
  // LibTorch would compose it of others, with other bits than those of the CPU.
  own.impl("native_layer_norm", torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

}  // namespace onemask::test
