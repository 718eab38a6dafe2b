#include "device_module.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>

#include <dlfcn.h>
#include <stdexcept>

#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>
#include <fmt/core.h>

namespace onemask {

namespace {

constexpr auto* name = "libonemask_cuda.so";

struct Loaded {
  DeviceModule const* module = nullptr;
  std::string error = {};  ///< why there is none
};

/// The module of a kind of device, looked up in a library or, with RTLD_DEFAULT, in all that are loaded.
Loaded module_in(void* library, c10::DeviceType type) {
  auto const function = "onemask_" + c10::DeviceTypeName(type, /*lower_case=*/true) + "_module";
  auto* const module = reinterpret_cast<decltype(&onemask_cuda_module)>(dlsym(library, function.c_str()));
  return module != nullptr ? Loaded{module()} : Loaded{nullptr, dlerror()};
}

/// The module of CUDA, loaded by the first call, and with it LibTorch's CUDA libraries.
Loaded const& cuda() {
  static Loaded const loaded = [] {
    void* const library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) return Loaded{nullptr, dlerror()};
    if (!at::globalContext().hasCUDART()) {
      throw std::logic_error("internal error: LibTorch was asked for CUDA before the program was; it asks itself only once");
    }
    return module_in(library, c10::kCUDA);
  }();
  return loaded;
}

/// The module of a kind of device that something has registered with LibTorch; nullptr where that brings none.
DeviceModule const* registered() {
  static auto const* const module = module_in(RTLD_DEFAULT, c10::kPrivateUse1).module;
  return module;
}

/// By word of the driver, which is there wherever a GPU can be used.
int gpus_of_driver() {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return 0;
  auto* const start = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  auto* const count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  int gpus = 0;
  return start != nullptr && count != nullptr && start(0) == 0 && count(&gpus) == 0 ? gpus : 0;
}

/// For warnings of LibTorch that are told in a sentence of this program's own.
struct Unheard : c10::WarningHandler {
  void process(c10::Warning const&) override {}
};

}  // namespace

int visible_gpus() {
  static int const gpus = [] {
    if (gpus_of_driver() == 0) return 0;
    if (cuda().module == nullptr) {
      log_warning("The GPUs of this host are not used: " + why_no_gpu());
      return 0;
    }
    Unheard unheard;
    c10::WarningUtils::WarningHandlerGuard const guard(&unheard);
    int const count = at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
    if (count == 0) log_warning("The GPUs of this host are not used: " + why_no_gpu());
    return count;
  }();
  return gpus;
}

std::string why_no_gpu() {
  if (cuda().module != nullptr) {
    auto const failure = gpus_of_driver() > 0 ? cuda().module->failure() : "";
    return failure.empty() ? "no GPU is visible; choose cpu, or check the driver and the allocation." : failure;
  }
  return "this build cannot use CUDA (" + cuda().error +
         "); choose cpu, or run 'launch/bootstrap.sh --cuda' and build with what it prints.";
}

std::string why_gpus_are_unused() {
  return gpus_of_driver() > 0 && visible_gpus() == 0 ? why_no_gpu() : "";
}

int visible_devices(c10::DeviceType type) {
  if (type == c10::kCUDA) return visible_gpus();
  return type == c10::kPrivateUse1 ? c10::impl::getDeviceGuardImpl(type)->deviceCount() : 0;
}

Nccl const* nccl(c10::DeviceType type) {
  DeviceModule const* module = nullptr;
  if (type == c10::kPrivateUse1) module = registered();
  if (type == c10::kCUDA && dlopen(name, RTLD_NOW | RTLD_NOLOAD) != nullptr) module = cuda().module;
  return module != nullptr ? module->nccl() : nullptr;
}

std::string nccl_version(c10::DeviceType type) {
  return nccl(type) != nullptr ? nccl(type)->version() : "";
}

Gpu describe_gpu(c10::Device device) {
  invariant(!device.is_cpu() && device.has_index(), "the device ", device.str(), " is no GPU with a number");
  if (!device.is_cuda()) return registered() != nullptr ? registered()->describe(device.index()) : Gpu();
  if (cuda().module == nullptr) throw RunError(fmt::format("GPU {} cannot be used: {}", int{device.index()}, why_no_gpu()));
  return cuda().module->describe(device.index());
}

}  // namespace onemask
