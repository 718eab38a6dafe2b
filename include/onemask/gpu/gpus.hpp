#pragma once

#include <cstdint>
#include <string>

#include <c10/core/Device.h>

namespace onemask {

/// Number of GPUs that this process sees and can use. Where the driver tells of some, the first call loads CUDA into LibTorch,
/// and tensors can be on GPUs from then on; other processes save its 0.3 s and 350 MB. LibTorch asks once whether it has CUDA, so
/// that the first call must come before the first tensor. A build without CUDA uses no GPU, and warns where there is one.
int visible_gpus();

/// Why visible_gpus() is 0, the end of a sentence, with what to do: "no GPU is visible; …".
std::string why_no_gpu();
/// The same where the driver tells of GPUs; empty where there are none, or they can be used.
std::string why_gpus_are_unused();

/// Number of devices of a kind that this process sees: visible_gpus(), or those that something else has registered with LibTorch,
/// as the tests' pretend accelerator; 0 for the CPU.
int visible_devices(c10::DeviceType type);

/// Version of the NCCL that sums over such devices, e.g. "2.28.9"; empty where there is none.
std::string nccl_version(c10::DeviceType type);

/// A GPU, or another accelerator, as this process sees it. All is empty and 0 where there is nobody to ask: in a build without
/// the CUDA runtime, or where what registered the device does not describe it.
struct Gpu {
  std::string name;                           ///< e.g. "NVIDIA H100 80GB HBM3"
  std::string bus_id;                         ///< names the device on its host, whatever its number
  std::string uuid;                           ///< names the device among those of all hosts; empty where the driver has none
  std::uint64_t memory = 0, free_memory = 0;  ///< [bytes]
};

/// The device, which has a number and is not the CPU; begins to use it. Throws RunError when it cannot be used.
Gpu describe_gpu(c10::Device device);

}  // namespace onemask
