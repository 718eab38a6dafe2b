#pragma once

#include "gpu/device_module.hpp"

/// What the program takes from the pretend accelerator beside operators: descriptions, and the pretended NCCL. Found by a program
/// that is started with LD_PRELOAD of the accelerator.
extern "C" onemask::DeviceModule const* onemask_pretend_module();
