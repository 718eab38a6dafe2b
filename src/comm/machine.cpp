#include "mpi_call.hpp"
#include <onemask/comm/machine.hpp>
#include <onemask/core/error.hpp>

#include <algorithm>
#include <array>
#include <cctype>

#include <ATen/Context.h>

#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#ifdef ONEMASK_HAVE_NCCL
#include <cuda_runtime_api.h>

#include <nccl.h>
#endif

namespace onemask {

namespace {

/// "MPICH Version:      4.1\nMPICH Release date: …" and "Open MPI v5.0.11, package: …": what stands before the details, with
/// single spaces.
std::string library_name(std::string const& text) {
  std::string name;
  for (char const c : text.substr(0, text.find_first_of(",\n"))) {
    bool const space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!space) name += c;
    if (space && !name.empty() && name.back() != ' ') name += ' ';
  }
  return name.empty() ? "an MPI library without a name" : name;
}

bool survives_failure() {
#ifdef MPIX_FT
  int* enabled = nullptr;
  int found = 0;
  check_mpi(MPI_Comm_get_attr(MPI_COMM_WORLD, MPIX_FT, &enabled, &found), "report whether it survives failures");
  return found != 0 && *enabled != 0;
#else
  return false;
#endif
}

std::string thread_level() {
  int level = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&level), "report its support of threads");
  switch (level) {
    case MPI_THREAD_MULTIPLE:
      return "MPI_THREAD_MULTIPLE";
    case MPI_THREAD_SERIALIZED:
      return "MPI_THREAD_SERIALIZED";
    case MPI_THREAD_FUNNELED:
      return "MPI_THREAD_FUNNELED";
    default:
      return "MPI_THREAD_SINGLE";
  }
}

std::string nccl_version() {
#ifdef ONEMASK_HAVE_NCCL
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "unknown";
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
#else
  return "";
#endif
}

#ifdef ONEMASK_HAVE_NCCL
void check_cuda(cudaError_t code, int index) {
  if (code == cudaSuccess) return;
  throw RunError("GPU " + std::to_string(index) + " cannot be used: " + cudaGetErrorString(code) +
                 ". Check it with nvidia-smi; another process may be using it or its memory.");
}
#endif

}  // namespace

MessagePassing message_passing() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0, started = 0;
  check_mpi(MPI_Get_library_version(text.data(), &length), "report its version");
  check_mpi(MPI_Initialized(&started), "report whether it is started");
  MessagePassing result;
  result.library = library_name(text.data());
  result.started = started != 0;
#ifdef MPIX_FT
  result.survivable = true;
#endif
  if (result.started) {
    result.threads = thread_level();
    result.survives_failure = survives_failure();
  }
  result.nccl = nccl_version();
  return result;
}

int visible_gpus() {
  return at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
}

Gpu describe_gpu(int index) {
#ifdef ONEMASK_HAVE_NCCL
  cudaDeviceProp properties{};
  std::array<char, 32> bus{};
  std::size_t free_memory = 0, memory = 0;
  check_cuda(cudaGetDeviceProperties(&properties, index), index);
  check_cuda(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), index), index);
  check_cuda(cudaSetDevice(index), index);
  check_cuda(cudaMemGetInfo(&free_memory, &memory), index);
  return {properties.name, bus.data(), memory, free_memory};
#else
  return {"", "GPU " + std::to_string(index), 0, 0};
#endif
}

}  // namespace onemask
