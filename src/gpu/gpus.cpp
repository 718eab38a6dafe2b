#include "cuda_module.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/log.hpp>

#include <dlfcn.h>
#include <stdexcept>

#include <ATen/Context.h>
#include <fmt/core.h>

namespace onemask {

namespace {

constexpr auto* name = "libonemask_cuda.so";

struct Loaded {
  CudaModule const* module = nullptr;
  std::string error = {};  ///< why there is none
};

/// The module, loaded by the first call, and with it LibTorch's CUDA libraries.
Loaded const& cuda() {
  static Loaded const loaded = [] {
    void* const library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) return Loaded{nullptr, dlerror()};
    if (!at::globalContext().hasCUDART()) {
      throw std::logic_error("internal error: LibTorch was asked for CUDA before the program was; it asks itself only once");
    }
    auto* const module = reinterpret_cast<decltype(&onemask_cuda_module)>(dlsym(library, "onemask_cuda_module"));
    return module != nullptr ? Loaded{module()} : Loaded{nullptr, dlerror()};
  }();
  return loaded;
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

}  // namespace

int visible_gpus() {
  static int const gpus = [] {
    if (gpus_of_driver() == 0) return 0;
    if (cuda().module == nullptr) {
      log_warning("The GPUs of this host are not used: " + why_no_gpu());
      return 0;
    }
    return at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
  }();
  return gpus;
}

std::string why_no_gpu() {
  if (cuda().module != nullptr) return "no GPU is visible; choose cpu, or check the driver and the allocation.";
  return "this build cannot use CUDA (" + cuda().error +
         "); choose cpu, or run 'launch/bootstrap.sh --cuda' and build with what it prints.";
}

Nccl const* nccl() {
  bool const loaded = dlopen(name, RTLD_NOW | RTLD_NOLOAD) != nullptr;
  return loaded && cuda().module != nullptr ? cuda().module->nccl() : nullptr;
}

std::string nccl_version() {
  return nccl() != nullptr ? nccl()->version() : "";
}

Gpu describe_gpu(int index) {
  if (cuda().module == nullptr) throw RunError(fmt::format("GPU {} cannot be used: {}", index, why_no_gpu()));
  return cuda().module->describe(index);
}

}  // namespace onemask
