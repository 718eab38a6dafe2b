#pragma once

#include <cstdint>
#include <string>

namespace onemask {

/// Number of GPUs that this process sees and can use. Where the driver tells of some, the first call loads CUDA into LibTorch,
/// and tensors can be on GPUs from then on; other processes save its 0.3 s and 350 MB. LibTorch asks once whether it has CUDA, so
/// that the first call must come before the first tensor. A build without CUDA uses no GPU, and warns where there is one.
int visible_gpus();

/// Why visible_gpus() is 0, the end of a sentence, with what to do: "no GPU is visible; …".
std::string why_no_gpu();

/// Version of NCCL, e.g. "2.28.9"; empty where CUDA is not loaded, or the build has none.
std::string nccl_version();

/// A GPU as this process sees it. All is empty and 0 where the build has no CUDA runtime to ask.
struct Gpu {
  std::string name;                           ///< e.g. "NVIDIA H100 80GB HBM3"
  std::string bus_id;                         ///< names the device on its host, whatever its number
  std::string uuid;                           ///< names the device among those of all hosts; empty where the driver has none
  std::uint64_t memory = 0, free_memory = 0;  ///< [bytes]
};

/// The GPU of this number; begins to use it. Throws RunError when it cannot be used.
Gpu describe_gpu(int index);

}  // namespace onemask
