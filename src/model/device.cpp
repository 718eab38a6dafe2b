#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/gpu/gpus.hpp>
#include <onemask/model/device.hpp>

#include <charconv>
#include <optional>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/core.h>

namespace onemask {
namespace {

c10::Device gpu(int index) {
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

/// A kind of device that something has registered with LibTorch under a name of its own, as the tests' pretend accelerator.
std::optional<c10::Device> registered_device(std::string const& name, int local_rank) {
  if (!c10::is_privateuse1_backend_registered() || name.substr(0, name.find(':')) != c10::get_privateuse1_backend()) return {};
  int const count = visible_devices(c10::kPrivateUse1);
  c10::Device device(name);
  if (count == 0)
    throw UserError("The device '" + name +
                    "' was requested, but none is visible; choose cpu, or check the driver and the allocation.");
  if (!device.has_index()) device.set_index(static_cast<c10::DeviceIndex>(local_rank % count));
  if (device.index() >= count) throw UserError(fmt::format("The device '{}' does not exist; there are {}.", name, count));
  return device;
}

c10::Device parse_device(std::string const& name, int local_rank) {
  if (name == "cpu") return c10::kCPU;
  if (auto const own = registered_device(name, local_rank)) return *own;
  int const gpus = visible_gpus();
  if (name == "auto" && gpus == 0) return c10::kCPU;
  bool const any = name == "auto" || name == "cuda";
  if (!any && !name.starts_with("cuda:"))
    throw UserError("The device '" + name + "' is not known; choose cpu, cuda, cuda:N or auto.");
  if (gpus == 0) throw UserError("The device '" + name + "' was requested, but " + why_no_gpu());
  if (any) return gpu(local_rank % gpus);
  std::string const digits = name.substr(name.find(':') + 1);
  int index = -1;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size() || index < 0 || index >= gpus)
    throw UserError(fmt::format("The device '{}' does not exist; visible are cuda:0 to cuda:{}.", name, gpus - 1));
  return gpu(index);
}

c10::ScalarType parse_dtype(std::string const& name) {
  if (name == "float32") return c10::kFloat;
  if (name == "bfloat16") return c10::kBFloat16;
  if (name == "float16") return c10::kHalf;
  throw UserError("The type '" + name + "' is not known; choose float32, bfloat16 or float16.");
}

}  // namespace

Placement parse_placement(std::string const& device, std::string const& dtype, int local_rank) {
  invariant(local_rank >= 0, "this rank has the number ", local_rank, " on its host");
  Placement const placement{parse_device(device, local_rank), parse_dtype(dtype)};
  if (placement.device.is_cpu() && placement.dtype == c10::kHalf)
    throw UserError("float16 is for GPUs only, because CPUs are slow with it; choose float32 or bfloat16, or a GPU.");
  return placement;
}

Placement parse_placement_without_work(std::string const& device, std::string const& dtype, int local_rank) {
  if (device.starts_with("cuda") && visible_gpus() == 0) return {c10::kCPU, parse_dtype(dtype)};
  return parse_placement(device, dtype, local_rank);
}

void set_threads(int threads) {
  constexpr int most = 1024;  // more than any node has cores; far more would end the process while it starts them
  if (threads < 1 || threads > most) {
    throw UserError(fmt::format("The number of threads per rank is {}; it must lie between 1 and {}.", threads, most));
  }
  at::set_num_threads(threads);
}

void set_product_precision(std::string const& precision) {
  if (precision != "float32" && precision != "bfloat16")
    throw UserError("The precision of products '" + precision + "' is not known; choose float32 or bfloat16.");
  bool const exact = precision == "float32";
  at::globalContext().setFloat32MatmulPrecision(exact ? "highest" : "medium");
  at::globalContext().setAllowTF32CuDNN(!exact);
}

std::string execution_of(c10::DeviceType device, std::string const& dtype, std::string const& products, int threads) {
  return fmt::format("{} {} {} threads {}", c10::DeviceTypeName(device, true), dtype, products, threads);
}

}  // namespace onemask
